//! What the catalog says of Moodle's tables, and the statements that make them again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use postgres::Client;
use postgres::types::ToSql;

use super::connect::failed;
use super::quoted;
use crate::database::neighbours;
use crate::database::target::LIST;
use crate::error::{Error, Kind, Result};

/// A table.
pub(super) struct Table {
    pub(super) name: String,
    columns: Vec<Column>,
    /// Its integer key, where it has one.
    pub(super) key: Option<String>,
    /// The columns that rows are ordered by, quoted.
    pub(super) order: Vec<String>,
    /// About how many bytes it has.
    pub(super) bytes: i64,
    /// Keys and constraints, in the order in which they can be made; foreign keys are not among them.
    constraints: Vec<String>,
    foreign: Vec<String>,
    indexes: Vec<String>,
    comment: Option<String>,
}

struct Column {
    name: String,
    definition: String,
    generated: bool,
}

/// A sequence.
struct Sequence {
    name: String,
    /// All between the name and the end.
    definition: String,
    /// Whether an identity column makes it by itself.
    identity: bool,
    owner: Option<(String, String)>,
    value: i64,
    called: bool,
}

/// All of it.
pub(super) struct Catalog {
    pub(super) tables: Vec<Table>,
    sequences: Vec<Sequence>,
    /// The statements that make the extensions which tables need.
    extensions: Vec<String>,
    /// What is there and isn't dumped.
    pub(super) left_out: Vec<String>,
}

impl Table {
    /// The columns that rows are made of, as SQL has them.
    pub(super) fn selected(&self) -> String {
        let stored = self.columns.iter().filter(|column| !column.generated);
        stored.map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
    }
}

/// Returns the names of a site's tables, sorted.
pub(super) fn names(client: &mut Client, schema: &str, prefix: &str) -> Result<Vec<String>> {
    Ok(neighbours::own(all_names(client, schema, prefix)?, prefix))
}

/// Returns the names of tables with a prefix, sorted, another site's among them.
fn all_names(client: &mut Client, schema: &str, prefix: &str) -> Result<Vec<String>> {
    let rows = client
        .query(
            "SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = $1::text AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't' \
             AND left(c.relname::text, length($2::text)) = $2::text AND c.relname <> $3::text \
             ORDER BY c.relname COLLATE \"C\"",
            &[&schema, &prefix, &LIST],
        )
        .map_err(|error| failed("the tables can't be listed", "", &error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Reads the catalog of one schema and prefix.
struct Reading<'a> {
    client: &'a mut Client,
    schema: &'a str,
    prefix: &'a str,
    /// The prefixes of other sites, and the name of this program's own table.
    others: Vec<String>,
}

/// What has a lower number came with PostgreSQL (`FirstNormalObjectId`).
const FIRST_OWN_OID: u32 = 16_384;
/// Moodle's tables, as `c`.
const FROM: &str = "pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace";
/// Which they are.
const OURS: &str = "n.nspname = $1::text AND left(c.relname::text, length($2::text)) = $2::text \
    AND c.relpersistence <> 't' AND NOT EXISTS (SELECT 1 FROM unnest($3::text[]) AS other(prefix) \
    WHERE left(c.relname::text, length(other.prefix)) = other.prefix)";

impl Catalog {
    /// Reads it; the search path is the schema.
    pub(super) fn read(client: &mut Client, schema: &str, prefix: &str) -> Result<Self> {
        let names = all_names(client, schema, prefix)?;
        let others = neighbours::prefixes(&names, prefix).into_iter().chain([LIST.to_owned()]).collect();
        let mut reading = Reading { client, schema, prefix, others };
        let mut tables = reading.tables()?;
        reading.columns(&mut tables)?;
        reading.constraints(&mut tables)?;
        reading.indexes(&mut tables)?;
        reading.keys(&mut tables)?;
        let sequences = reading.sequences()?;
        let extensions = reading.extensions()?;
        let mut left_out = reading.left_out()?;
        left_out.extend(neighbours::left_out(&names, prefix));
        Ok(Self { tables: tables.into_values().collect(), sequences, extensions, left_out })
    }

    /// Returns the statements that make extensions, sequences and tables.
    pub(super) fn schema(&self) -> String {
        let mut sql = String::new();
        for statement in &self.extensions {
            let _ = writeln!(sql, "{statement};");
        }
        let own = || self.sequences.iter().filter(|sequence| !sequence.identity);
        for sequence in own() {
            let _ = writeln!(sql, "CREATE SEQUENCE {} {};", quoted(&sequence.name), sequence.definition);
        }
        for table in &self.tables {
            let columns: Vec<String> = table
                .columns
                .iter()
                .map(|column| format!("  {} {}", quoted(&column.name), column.definition))
                .collect();
            let _ = writeln!(sql, "CREATE TABLE {} (\n{}\n);", quoted(&table.name), columns.join(",\n"));
            if let Some(comment) = &table.comment {
                let (name, comment) = (quoted(&table.name), comment.replace('\'', "''"));
                let _ = writeln!(sql, "COMMENT ON TABLE {name} IS '{comment}';");
            }
        }
        for sequence in own() {
            if let Some((table, column)) = &sequence.owner {
                let (name, table, column) = (quoted(&sequence.name), quoted(table), quoted(column));
                let _ = writeln!(sql, "ALTER SEQUENCE {name} OWNED BY {table}.{column};");
            }
        }
        sql
    }

    /// Returns the statements that come after the rows: a block for each table, which begins with a comment, and one
    /// for foreign keys.
    pub(super) fn indexes(&self) -> String {
        let mut sql = String::new();
        for table in &self.tables {
            let _ = writeln!(sql, "-- {}", table.name.replace('\n', " "));
            for statement in table.constraints.iter().chain(&table.indexes) {
                let _ = writeln!(sql, "{statement};");
            }
            let own = |sequence: &&Sequence| sequence.owner.as_ref().is_some_and(|(owner, _)| *owner == table.name);
            for sequence in self.sequences.iter().filter(own) {
                let _ = writeln!(sql, "{}", sequence.set());
            }
        }
        let _ = writeln!(sql, "-- foreign keys, and sequences that no table owns");
        for statement in self.tables.iter().flat_map(|table| &table.foreign) {
            let _ = writeln!(sql, "{statement};");
        }
        for sequence in self.sequences.iter().filter(|sequence| sequence.owner.is_none()) {
            let _ = writeln!(sql, "{}", sequence.set());
        }
        sql
    }
}

impl Sequence {
    fn set(&self) -> String {
        let name = quoted(&self.name).replace('\'', "''");
        format!("SELECT setval('{name}', {}, {});", self.value, self.called)
    }
}

fn refused(what: &str) -> Error {
    Error::new(
        Kind::Database,
        format!("{what}, which this program can't make again, and Moodle doesn't"),
        "take PostgreSQL's own pg_dump for this database, or change the table",
    )
}

impl Reading<'_> {
    fn rows(&mut self, sql: &str) -> Result<Vec<postgres::Row>> {
        let parameters: &[&(dyn ToSql + Sync)] = &[&self.schema, &self.prefix, &self.others];
        self.client
            .query(sql, parameters)
            .map_err(|error| failed("the tables' definitions can't be read", "report this as a bug", &error))
    }

    fn tables(&mut self) -> Result<BTreeMap<String, Table>> {
        let rows = self.rows(&format!(
            "SELECT c.relname::text, pg_table_size(c.oid), \
             c.relkind = 'p' OR EXISTS (SELECT 1 FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)), \
             obj_description(c.oid, 'pg_class') \
             FROM {FROM} WHERE c.relkind IN ('r', 'p') AND {OURS}"
        ))?;
        let mut tables = BTreeMap::new();
        for row in rows {
            let name: String = row.get(0);
            if row.get(2) {
                return Err(refused(&format!("the table {name} is partitioned or inherits from another")));
            }
            let table = Table {
                name: name.clone(),
                columns: Vec::new(),
                key: None,
                order: Vec::new(),
                bytes: row.get(1),
                constraints: Vec::new(),
                foreign: Vec::new(),
                indexes: Vec::new(),
                comment: row.get(3),
            };
            tables.insert(name, table);
        }
        Ok(tables)
    }

    fn columns(&mut self, tables: &mut BTreeMap<String, Table>) -> Result<()> {
        let rows = self.rows(&format!(
            "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull, \
             pg_get_expr(d.adbin, d.adrelid), a.attidentity::text, a.attgenerated::text, \
             CASE WHEN a.attcollation <> y.typcollation \
             THEN quote_ident(cn.nspname) || '.' || quote_ident(co.collname) END, tn.nspname::text \
             FROM {FROM} JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
             JOIN pg_type y ON y.oid = a.atttypid JOIN pg_namespace tn ON tn.oid = y.typnamespace \
             LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum \
             LEFT JOIN pg_collation co ON co.oid = a.attcollation \
             LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace \
             WHERE c.relkind = 'r' AND {OURS} ORDER BY c.relname, a.attnum"
        ))?;
        for row in rows {
            let (table, name): (String, String) = (row.get(0), row.get(1));
            let mut definition: String = row.get(2);
            if row.get::<_, String>(8) != "pg_catalog" {
                return Err(refused(&format!("the column {table}.{name} has the type {definition}")));
            }
            if let Some(collation) = row.get::<_, Option<String>>(7) {
                let _ = write!(definition, " COLLATE {collation}");
            }
            let (identity, generated): (String, String) = (row.get(5), row.get(6));
            match (row.get::<_, Option<String>>(4), identity.as_str()) {
                (Some(value), _) if generated.is_empty() => {
                    let _ = write!(definition, " DEFAULT {value}");
                }
                (Some(value), _) => {
                    let _ = write!(definition, " GENERATED ALWAYS AS ({value}) STORED");
                }
                (None, "a") => definition.push_str(" GENERATED ALWAYS AS IDENTITY"),
                (None, "d") => definition.push_str(" GENERATED BY DEFAULT AS IDENTITY"),
                (None, _) => {}
            }
            if row.get(3) {
                definition.push_str(" NOT NULL");
            }
            if let Some(table) = tables.get_mut(&table) {
                table.columns.push(Column { name, definition, generated: !generated.is_empty() });
            }
        }
        Ok(())
    }

    fn constraints(&mut self, tables: &mut BTreeMap<String, Table>) -> Result<()> {
        let rows = self.rows(&format!(
            "SELECT c.relname::text, k.conname::text, pg_get_constraintdef(k.oid, true), k.contype::text \
             FROM {FROM} JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype IN ('p', 'u', 'c', 'x', 'f') \
             WHERE c.relkind = 'r' AND {OURS} ORDER BY c.relname, position(k.contype::text IN 'pucxf'), k.conname"
        ))?;
        for row in rows {
            let (table, name, definition): (String, String, String) = (row.get(0), row.get(1), row.get(2));
            let sql = format!("ALTER TABLE {} ADD CONSTRAINT {} {definition}", quoted(&table), quoted(&name));
            if let Some(table) = tables.get_mut(&table) {
                if row.get::<_, String>(3) == "f" { &mut table.foreign } else { &mut table.constraints }.push(sql);
            }
        }
        Ok(())
    }

    fn indexes(&mut self, tables: &mut BTreeMap<String, Table>) -> Result<()> {
        let rows = self.rows(&format!(
            "SELECT c.relname::text, pg_get_indexdef(i.indexrelid, 0, true) \
             FROM {FROM} JOIN pg_index i ON i.indrelid = c.oid WHERE c.relkind = 'r' AND {OURS} \
             AND NOT EXISTS (SELECT 1 FROM pg_constraint k \
             WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')) ORDER BY 1, 2"
        ))?;
        for row in rows {
            if let Some(table) = tables.get_mut(&row.get::<_, String>(0)) {
                table.indexes.push(row.get(1));
            }
        }
        Ok(())
    }

    /// Finds primary keys: by one integer a table is cut, by any it is ordered.
    fn keys(&mut self, tables: &mut BTreeMap<String, Table>) -> Result<()> {
        let rows = self.rows(&format!(
            "SELECT c.relname::text, a.attname::text, a.atttypid IN (20, 21, 23) \
             FROM {FROM} JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary \
             CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(number, place) \
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number \
             WHERE c.relkind = 'r' AND {OURS} ORDER BY c.relname, k.place"
        ))?;
        for row in rows {
            let name: String = row.get(1);
            if let Some(table) = tables.get_mut(&row.get::<_, String>(0)) {
                table.key = (table.order.is_empty() && row.get(2)).then(|| name.clone());
                table.order.push(quoted(&name));
            }
        }
        Ok(())
    }

    fn sequences(&mut self) -> Result<Vec<Sequence>> {
        let rows = self.rows(
            "SELECT c.relname::text, format('AS %s INCREMENT %s MINVALUE %s MAXVALUE %s START %s CACHE %s%s', \
             format_type(s.seqtypid, NULL), s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache, \
             CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END), \
             coalesce(d.deptype = 'i', false), t.relname::text, a.attname::text \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence s ON s.seqrelid = c.oid \
             LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid \
             AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i') \
             LEFT JOIN pg_class t ON t.oid = d.refobjid \
             LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid \
             WHERE n.nspname = $1::text AND c.relpersistence <> 't' \
             AND left(coalesce(t.relname, c.relname)::text, length($2::text)) = $2::text \
             AND NOT EXISTS (SELECT 1 FROM unnest($3::text[]) AS other(prefix) \
             WHERE left(coalesce(t.relname, c.relname)::text, length(other.prefix)) = other.prefix) \
             ORDER BY c.relname COLLATE \"C\"",
        )?;
        let mut sequences: Vec<Sequence> = rows
            .iter()
            .map(|row| Sequence {
                name: row.get(0),
                definition: row.get(1),
                identity: row.get(2),
                owner: row.get::<_, Option<String>>(3).zip(row.get(4)),
                value: 0,
                called: false,
            })
            .collect();
        for part in sequences.chunks_mut(100) {
            let selects: Vec<String> = part
                .iter()
                .enumerate()
                .map(|(number, sequence)| {
                    format!("SELECT {number}::bigint, last_value, is_called FROM {}", quoted(&sequence.name))
                })
                .collect();
            let rows = self
                .client
                .query(&selects.join(" UNION ALL "), &[])
                .map_err(|error| failed("the sequences can't be read", "the user needs SELECT on them", &error))?;
            for row in rows {
                let number = usize::try_from(row.get::<_, i64>(0)).unwrap_or(0);
                part[number].value = row.get(1);
                part[number].called = row.get(2);
            }
        }
        Ok(sequences)
    }

    /// Returns the statements that make the extensions whose functions, operators and collations the tables use. What
    /// else they use and didn't come with PostgreSQL is refused.
    fn extensions(&mut self) -> Result<Vec<String>> {
        let rows = self.rows(&format!(
            "WITH parts AS (SELECT oid AS owner, oid AS part, 'pg_class'::regclass AS kind FROM pg_class \
             UNION ALL SELECT indrelid, indexrelid, 'pg_class'::regclass FROM pg_index \
             UNION ALL SELECT conrelid, oid, 'pg_constraint'::regclass FROM pg_constraint \
             UNION ALL SELECT adrelid, oid, 'pg_attrdef'::regclass FROM pg_attrdef) \
             SELECT DISTINCT c.relname::text, pg_describe_object(d.refclassid, d.refobjid, 0), e.extname::text, \
             en.nspname::text FROM {FROM} JOIN parts ON parts.owner = c.oid \
             JOIN pg_depend d ON d.classid = parts.kind AND d.objid = parts.part AND d.refobjid >= {FIRST_OWN_OID} \
             AND d.refclassid NOT IN ('pg_class'::regclass, 'pg_constraint'::regclass, 'pg_namespace'::regclass) \
             LEFT JOIN pg_depend x ON x.classid = d.refclassid AND x.objid = d.refobjid AND x.deptype = 'e' \
             LEFT JOIN pg_extension e ON e.oid = x.refobjid LEFT JOIN pg_namespace en ON en.oid = e.extnamespace \
             WHERE c.relkind = 'r' AND {OURS} ORDER BY 1, 2"
        ))?;
        let mut statements = BTreeSet::new();
        for row in rows {
            let (table, needed): (String, String) = (row.get(0), row.get(1));
            let Some((name, place)) = row.get::<_, Option<String>>(2).zip(row.get::<_, Option<String>>(3)) else {
                return Err(refused(&format!("the table {table} needs {needed}")));
            };
            // In the tables' own schema, whatever its name is where they are restored.
            let place = if place == self.schema { String::new() } else { format!(" SCHEMA {}", quoted(&place)) };
            statements.insert(format!("CREATE EXTENSION IF NOT EXISTS {}{place}", quoted(&name)));
        }
        Ok(statements.into_iter().collect())
    }

    /// Names what is in the schema and isn't dumped.
    fn left_out(&mut self) -> Result<Vec<String>> {
        let rows = self.rows(&format!(
            "SELECT CASE c.relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' ELSE 'foreign table ' END \
             || c.relname FROM {FROM} WHERE c.relkind IN ('v', 'm', 'f') AND {OURS} \
             UNION ALL SELECT 'trigger ' || g.tgname || ' on ' || c.relname \
             FROM {FROM} JOIN pg_trigger g ON g.tgrelid = c.oid WHERE NOT g.tgisinternal AND {OURS} \
             UNION ALL SELECT 'function ' || p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
             WHERE n.nspname = $1::text AND left(p.proname::text, length($2::text)) = $2::text \
             AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') ORDER BY 1"
        ))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}

/// Returns the columns of each table that rows are loaded into, as SQL has them.
pub(super) fn loaded(client: &mut Client, schema: &str, prefix: &str) -> Result<BTreeMap<String, String>> {
    let rows = Reading { client, schema, prefix, others: vec![LIST.to_owned()] }.rows(&format!(
        "SELECT c.relname::text, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) \
         FROM {FROM} JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         AND a.attgenerated = '' WHERE c.relkind = 'r' AND {OURS} GROUP BY 1"
    ))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
