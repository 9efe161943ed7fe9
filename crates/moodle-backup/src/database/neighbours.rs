//! Other sites in the same database whose prefixes begin like a site's own, as `mdl_2_` beside `mdl_`.

/// Tables that every Moodle has, and together no plugin: to have too much in a dump is safe, too little isn't.
const CORE: [&str; 6] = ["config", "config_plugins", "context", "course", "modules", "user"];

/// Returns the prefixes of other sites that begin with `prefix`, by the names of all tables.
pub(super) fn prefixes(names: &[String], prefix: &str) -> Vec<String> {
    let has = |name: &str| names.iter().any(|other| other == name);
    names
        .iter()
        .filter_map(|name| name.strip_suffix(CORE[1]))
        .filter(|other| other.len() > prefix.len() && other.starts_with(prefix) && other.ends_with('_'))
        .filter(|other| CORE.iter().all(|table| has(&format!("{other}{table}"))))
        .map(str::to_owned)
        .collect()
}

/// Returns the names of a site's own tables.
pub(super) fn own(mut names: Vec<String>, prefix: &str) -> Vec<String> {
    let others = prefixes(&names, prefix);
    names.retain(|name| name.starts_with(prefix) && !others.iter().any(|other| name.starts_with(other)));
    names
}

/// Says of a dump what was left out of it.
pub(super) fn left_out(names: &[String], prefix: &str) -> Vec<String> {
    prefixes(names, prefix).into_iter().map(|other| format!("site {other}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{CORE, own, prefixes};

    #[test]
    fn only_a_whole_moodle_is_another_site() {
        let site = |prefix: &str| CORE.map(|table| format!("{prefix}{table}")).to_vec();
        let mut names = [site("mdl_"), site("mdl_2_"), site("other_")].concat();
        names.push("mdl_tool_config_plugins".to_owned());
        names.extend(CORE[..5].iter().map(|table| format!("mdl_most_{table}")));
        assert_eq!(prefixes(&names, "mdl_"), ["mdl_2_"]);
        assert_eq!(prefixes(&names, "mdl_2_"), [""; 0]);
        assert_eq!(prefixes(&names, ""), ["mdl_", "mdl_2_", "other_"]);
        let ours = own(names.clone(), "mdl_");
        assert_eq!(ours.len(), 12);
        assert!(ours.iter().all(|name| name.starts_with("mdl_") && !name.starts_with("mdl_2_")));
        assert_eq!(own(names, "mdl_2_"), site("mdl_2_"));
    }
}
