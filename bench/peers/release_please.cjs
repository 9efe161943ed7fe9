// Print the next versions release-please proposes for a local clone, as JSON in the last line.
// Called as: node release_please.cjs PACKAGES CLONE RELEASED [DEPTH]
// PACKAGES is the folder release-please is installed in; RELEASED a JSON file of path -> {component, version}.
'use strict';
const fs = require('node:fs');
const {createRequire} = require('node:module');

const [packages, clone, releasedFile, depth] = process.argv.slice(2);
const load = createRequire(`${packages}/`);
const {Manifest, setLogger} = load('release-please');
const {LocalGitHub} = load('release-please/build/src/local-github.js');
const {Version} = load('release-please/build/src/version.js');

const silent = Object.fromEntries(['error', 'warn', 'info', 'debug', 'trace'].map(level => [level, () => {}]));
const forge = {
  repository: {owner: 'someone', repo: 'monorepo', defaultBranch: 'main'},
  async *releaseIterator() {},
  async *pullRequestIterator() {},
};

async function main() {
  setLogger(silent);
  const components = {};
  const released = {};
  for (const [path, {component, version}] of Object.entries(JSON.parse(fs.readFileSync(releasedFile, 'utf8')))) {
    components[path] = {releaseType: 'simple', component, includeVInTag: true, tagSeparator: '-'};
    released[path] = Version.parse(version);
  }
  const local = new LocalGitHub(forge.repository, forge, clone, {logger: silent});
  const options = {separatePullRequests: true, logger: silent};
  if (depth) {
    options.commitSearchDepth = Number(depth);
  }
  const requests = await new Manifest(local, 'main', components, released, options).buildPullRequests();
  const proposed = requests.flatMap(request => request.body.releaseData);
  console.log(JSON.stringify(Object.fromEntries(proposed.map(data => [data.component, data.version.toString()]))));
}

main().catch(error => {
  console.error(error.stack);
  process.exitCode = 1;
});
