//! What a load changes of a database, besides the load itself.

use postgres::Client;
use postgres::error::SqlState;
use postgres::types::ToSql;

use super::connect::failed;
use super::{load, quoted};
use crate::database::target::LIST;
use crate::database::{self, Connection, Source};
use crate::error::{Error, Result};
use crate::manifest::DatabaseFacts;

/// How many tables a statement drops.
const PART: usize = 50;

/// A database that is loaded into.
pub(crate) struct Target {
    connection: Connection,
    client: Client,
    schema: String,
    /// The schema with what is set aside: the names of indexes and constraints are its own.
    aside: String,
}

impl Target {
    pub(crate) fn open(connection: &Connection) -> Result<Self> {
        let (mut client, schema) = load::session(connection)?;
        // No server before 14 knows it.
        client.batch_execute("SET idle_session_timeout = 0").ok();
        let aside = format!("{schema}~");
        Ok(Self { connection: connection.clone(), client, schema, aside })
    }

    /// Returns the first column of what a query gives.
    fn column(&mut self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<String>> {
        let rows = self
            .client
            .query(sql, parameters)
            .map_err(|error| failed("the database doesn't say what is in it", "", &error))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Returns which of `names` are in a schema: kinds of relations, as `r` or `S`.
    fn there(&mut self, schema: &str, names: &[String], kinds: &str) -> Result<Vec<String>> {
        let sql = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                   WHERE n.nspname = $1::text AND c.relname::text = ANY($2) AND strpos($3, c.relkind::text) > 0";
        self.column(sql, &[&schema, &names, &kinds])
    }

    fn dropped(&mut self, schema: &str, names: &[String]) -> Result<()> {
        let foreign = self.column(
            "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname) FROM pg_constraint k \
             JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE k.contype = 'f' AND n.nspname = $1::text AND c.relname::text = ANY($2)",
            &[&schema, &names],
        )?;
        for statement in foreign {
            self.run_sql(&statement)?;
        }
        for (kind, kinds) in [("TABLE", "rp"), ("SEQUENCE", "S")] {
            for part in self.there(schema, names, kinds)?.chunks(PART) {
                let list: Vec<String> =
                    part.iter().map(|name| format!("{}.{}", quoted(schema), quoted(name))).collect();
                self.run_sql(&format!("DROP {kind} IF EXISTS {}", list.join(", ")))?;
            }
        }
        Ok(())
    }

    /// Moves all of `names`, or none, and runs `before` and `after` in the same transaction.
    fn moved(&mut self, names: &[String], from: &str, to: &str, before: &str, after: &str) -> Result<()> {
        let moves =
            names.iter().map(|name| format!("ALTER TABLE {}.{} SET SCHEMA {}", quoted(from), quoted(name), quoted(to)));
        let statements: Vec<String> =
            std::iter::once(before.to_owned()).chain(moves).chain(std::iter::once(after.to_owned())).collect();
        self.run_sql(&statements.join("; "))
    }

    /// Runs statements, all of them or none.
    fn run_sql(&mut self, sql: &str) -> Result<()> {
        let short: String = sql.chars().take(120).collect();
        self.client.batch_execute(sql).map_err(|error| {
            let fix = if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) {
                "stop who uses the tables, as the site itself or a backup of it"
            } else {
                "see the server's log"
            };
            failed(&format!("the database refuses `{short}`"), fix, &error)
        })
    }

    /// Says which rights are lacking, or why nobody may write.
    fn forbidden(&mut self, replaced: &[String]) -> Result<Vec<Error>> {
        let sql = "SELECT pg_is_in_recovery(), coalesce(has_schema_privilege(to_regnamespace(quote_ident($1::text))::oid, \
                   'CREATE'), false), has_database_privilege(current_database(), 'CREATE')";
        let row = self
            .client
            .query_one(sql, &[&self.schema])
            .map_err(|error| failed("the database doesn't say what the user may do", "", &error))?;
        let Connection { user, database, .. } = &self.connection;
        let mut reasons = Vec::new();
        if row.get(0) {
            let what = format!("the server of {database} is a standby, which takes no changes");
            reasons.push(Error::refused(what, "name the server that it follows"));
        }
        if !row.get::<_, bool>(1) {
            reasons.push(Error::refused(
                format!("the user {user} may make no tables in the schema {}", self.schema),
                format!("make the schema, or GRANT CREATE ON SCHEMA {} TO {}", quoted(&self.schema), quoted(user)),
            ));
        }
        if !replaced.is_empty() && !row.get::<_, bool>(2) {
            reasons.push(Error::refused(
                format!("the user {user} may make no schema, where the old tables stay until the new ones are loaded"),
                format!(
                    "GRANT CREATE ON DATABASE {} TO {}, or drop the old tables yourself",
                    quoted(database),
                    quoted(user)
                ),
            ));
        }
        let others = self.column(
            "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = $1::text AND c.relname::text = ANY($2) AND NOT pg_has_role(c.relowner, 'USAGE') ORDER BY 1",
            &[&self.schema.clone(), &replaced],
        )?;
        if let Some(first) = others.first() {
            let user = &self.connection.user;
            let what = format!("{} tables don't belong to the user {user}, {first} among them", others.len());
            reasons.push(Error::refused(what, "name the user who owns them"));
        }
        Ok(reasons)
    }
}

impl database::target::Target for Target {
    fn lock(&mut self) -> Result<bool> {
        self.run_sql("SET lock_timeout = '5s'")?;
        let sql = "SELECT pg_advisory_lock(hashtext('moodle-backup'), hashtext($1::text))";
        let locked = match self.client.execute(sql, &[&self.schema]) {
            Ok(_) => true,
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => false,
            Err(error) => return Err(failed("the lock of this program can't be had", "", &error)),
        };
        // Whoever uses the tables is waited for.
        self.run_sql("SET lock_timeout = '60s'")?;
        Ok(locked)
    }

    fn names(&mut self) -> Result<Vec<String>> {
        let sql = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                   WHERE n.nspname = $1::text AND left(c.relname::text, length($2::text)) = $2::text \
                   AND c.relname <> $3::text AND c.relpersistence <> 't' AND (c.relkind IN ('r', 'p') OR c.relkind = 'S' \
                   AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid \
                   AND d.deptype IN ('a', 'i'))) ORDER BY c.relname COLLATE \"C\"";
        self.column(sql, &[&self.schema.clone(), &self.connection.prefix.clone(), &LIST])
    }

    fn made(&self, facts: &DatabaseFacts, source: &dyn Source) -> Result<Vec<String>> {
        let schema = database::text(source, "schema.sql")?;
        let sequences = schema.lines().filter_map(|line| name(line.strip_prefix("CREATE SEQUENCE ")?));
        Ok(facts.tables.iter().map(|table| table.name.clone()).chain(sequences).collect())
    }

    fn objections(
        &mut self,
        facts: &DatabaseFacts,
        source: &dyn Source,
        replaced: &[String],
        _: usize,
    ) -> Result<Vec<Error>> {
        let mut reasons = self.forbidden(replaced)?;
        let schema = database::text(source, "schema.sql")?;
        let wanted = schema.lines().filter_map(|line| name(line.strip_prefix("CREATE EXTENSION IF NOT EXISTS ")?));
        let known = self.column("SELECT name::text FROM pg_available_extensions", &[])?;
        let lacking: Vec<String> = wanted.filter(|name| !known.contains(name)).collect();
        if !lacking.is_empty() {
            let names = lacking.join(", ");
            reasons.push(Error::refused(
                format!("the server lacks extensions that the dump of {} needs: {names}", facts.server),
                "install them on the server",
            ));
        }
        Ok(reasons)
    }

    fn bound(&mut self, names: &[String]) -> Result<Vec<String>> {
        let sql = "WITH own AS (SELECT c.oid, c.reltype FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                   WHERE n.nspname = $1::text AND c.relname::text = ANY($2)), \
                   ours AS (SELECT oid FROM own UNION SELECT d.objid FROM pg_depend d JOIN own ON own.oid = d.refobjid \
                   WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')), \
                   needed AS (SELECT 'pg_class'::regclass AS kind, oid FROM ours \
                   UNION SELECT 'pg_type'::regclass, reltype FROM own \
                   UNION SELECT 'pg_type'::regclass, t.typarray FROM pg_type t JOIN own ON own.reltype = t.oid), \
                   found AS (SELECT d.classid, d.objid, d.objsubid, coalesce(r.ev_class, k.conrelid, a.adrelid, \
                   CASE WHEN d.classid = 'pg_class'::regclass THEN d.objid END) AS relation, r.ev_class IS NOT NULL AS rule \
                   FROM pg_depend d JOIN needed ON needed.kind = d.refclassid AND needed.oid = d.refobjid \
                   LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid \
                   LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid \
                   LEFT JOIN pg_attrdef a ON d.classid = 'pg_attrdef'::regclass AND a.oid = d.objid \
                   WHERE d.deptype = 'n') \
                   SELECT CASE WHEN rule THEN pg_describe_object('pg_class'::regclass, relation, 0) \
                   ELSE pg_describe_object(classid, objid, objsubid) END FROM found \
                   WHERE relation IS NULL OR relation NOT IN (SELECT oid FROM ours) \
                   UNION SELECT pg_describe_object('pg_trigger'::regclass, g.oid, 0) FROM pg_trigger g \
                   WHERE NOT g.tgisinternal AND g.tgrelid IN (SELECT oid FROM own) \
                   UNION SELECT pg_describe_object('pg_policy'::regclass, p.oid, 0) FROM pg_policy p \
                   WHERE p.polrelid IN (SELECT oid FROM own) \
                   UNION SELECT pg_describe_object('pg_publication_rel'::regclass, p.oid, 0) FROM pg_publication_rel p \
                   WHERE p.prrelid IN (SELECT oid FROM own) ORDER BY 1";
        self.column(sql, &[&self.schema.clone(), &names])
    }

    fn list(&mut self) -> Result<Option<Vec<(String, String)>>> {
        if self.there(&self.schema.clone(), &[LIST.to_owned()], "r")?.is_empty() {
            return Ok(None);
        }
        let list = format!("{}.{}", quoted(&self.schema), quoted(LIST));
        let rows = self
            .client
            .query(&format!("SELECT name, todo FROM {list} ORDER BY name"), &[])
            .map_err(|error| failed(&format!("the table {list} can't be read"), "", &error))?;
        Ok(Some(rows.iter().map(|row| (row.get(0), row.get(1))).collect()))
    }

    fn make_list(&mut self) -> Result<()> {
        let list = self.quoted(LIST);
        self.run_sql(&format!("CREATE TABLE {list} (name text NOT NULL, todo text NOT NULL, PRIMARY KEY (name, todo))"))
    }

    fn quoted(&self, name: &str) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(name))
    }

    fn literal(&self, text: &str) -> String {
        format!("'{}'", text.replace('\'', "''"))
    }

    fn run(&mut self, statement: &str) -> Result<()> {
        self.run_sql(statement)
    }

    fn set_aside(&mut self, names: &[String]) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let (from, to) = (self.schema.clone(), self.aside.clone());
        self.moved(names, &from, &to, &format!("CREATE SCHEMA IF NOT EXISTS {}", quoted(&to)), "")
    }

    fn put_back(&mut self, names: &[String]) -> Result<()> {
        let (from, to) = (self.aside.clone(), self.schema.clone());
        let there = self.there(&from, names, "rpS")?;
        if there.is_empty() {
            return Ok(());
        }
        self.moved(&there, &from, &to, "", &format!("DROP SCHEMA {}", quoted(&from)))
    }

    fn drop(&mut self, names: &[String]) -> Result<()> {
        self.dropped(&self.schema.clone(), names)
    }

    fn drop_aside(&mut self, names: &[String]) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let aside = self.aside.clone();
        self.dropped(&aside, names)?;
        self.run_sql(&format!("DROP SCHEMA IF EXISTS {}", quoted(&aside)))
    }

    fn inherit(&mut self) -> Result<()> {
        // A sequence that a table owns has the table's owner.
        let sql = "WITH pair AS (SELECT o.oid, o.relname, o.relkind, o.relowner, o.relacl, n.relowner AS now, \
                   EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = n.oid \
                   AND d.deptype IN ('a', 'i')) AS owned \
                   FROM pg_class o JOIN pg_class n ON n.relname = o.relname AND n.relkind = o.relkind \
                   WHERE o.relkind IN ('r', 'S') AND o.relnamespace = to_regnamespace(quote_ident($1::text)) \
                   AND n.relnamespace = to_regnamespace(quote_ident($2::text))) \
                   SELECT format('ALTER TABLE %I.%I OWNER TO %I', $2::text, relname, pg_get_userbyid(relowner)), 1 FROM pair \
                   WHERE relowner <> now AND NOT owned UNION ALL \
                   SELECT format('GRANT %s ON %s %I.%I TO %s%s', a.privilege_type, \
                   CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, $2::text, relname, \
                   CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, \
                   CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), 2 \
                   FROM pair, aclexplode(relacl) a WHERE a.grantee <> relowner ORDER BY 2";
        let statements = self.column(sql, &[&self.aside.clone(), &self.schema.clone()])?;
        if statements.is_empty() { Ok(()) } else { self.run_sql(&statements.join("; ")) }
    }
}

/// Reads the quoted name that a text begins with.
fn name(text: &str) -> Option<String> {
    let text = text.strip_prefix('"')?.replace("\"\"", "\0");
    text.split_once('"').map(|(name, _)| name.replace('\0', "\""))
}
