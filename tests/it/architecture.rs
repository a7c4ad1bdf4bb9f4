//! The architecture: layers that depend in one direction, modules without cycles, files of a readable length.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// The directories of `src` in which no modules may use each other in a circle.
const WITHOUT_CIRCLES: [&str; 3] = ["domain", "store", "http"];

/// A directory that is left out: a page and its parts link to each other.
const PAGES: [&str; 2] = ["http", "page"];

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

fn mentions(layer: &str, forbidden: &[&str]) -> Vec<String> {
    let root = src().join(layer);
    let files = if root.is_dir() { sources(&root) } else { vec![root.with_extension("rs")] };
    let found = files.iter().flat_map(|file| {
        let text = fs::read_to_string(file).unwrap();
        let code = |line: &&str| !line.trim_start().starts_with("//");
        let lines: Vec<_> = text.lines().filter(code).map(str::to_owned).collect();
        let bad = forbidden.iter().filter(move |word| lines.iter().any(|line| line.contains(**word)));
        bad.map(|word| format!("{}: {word}", file.display())).collect::<Vec<_>>()
    });
    found.collect()
}

#[test]
fn the_domain_knows_neither_sql_nor_http_nor_waiting() {
    let forbidden = [
        "sqlx",
        "actix_web",
        "tokio",
        "async ",
        "crate::background",
        "crate::store",
        "crate::http",
        "crate::postgres",
        "std::fs",
    ];
    assert_eq!(mentions("domain", &forbidden), Vec::<String>::new());
}

#[test]
fn the_store_does_not_know_http() {
    assert_eq!(mentions("store", &["actix_web", "crate::http", "crate::settings"]), Vec::<String>::new());
}

#[test]
fn background_jobs_know_none_of_the_layers_that_use_them() {
    let forbidden = ["sqlx", "actix_web", "crate::http", "crate::store", "crate::postgres"];
    assert_eq!(mentions("background", &forbidden), Vec::<String>::new());
}

#[test]
fn the_embedded_server_knows_none_of_the_layers() {
    let forbidden = ["actix_web", "crate::http", "crate::store", "crate::domain"];
    assert_eq!(mentions("postgres", &forbidden), Vec::<String>::new());
}

#[test]
fn http_holds_no_sql() {
    assert_eq!(mentions("http", &["sqlx"]), Vec::<String>::new());
}

#[test]
fn what_is_inserted_is_joined_inner_and_has_its_times_as_parameters() {
    // Where tables are distributed, other joins may insert nothing without an error, and functions may be refused.
    let forbidden = ["left join", "right join", "full join", "now()", "clock_timestamp()", "random()"];
    let statements = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".sqlx")).unwrap().map(|entry| {
        let statement: serde_json::Value = serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()).unwrap();
        statement["query"].as_str().unwrap().to_lowercase()
    });
    let inserting: Vec<_> = statements.filter(|statement| statement.contains("insert into ")).collect();
    assert!(inserting.len() > 15, "{}", inserting.len());
    for statement in inserting {
        assert!(!forbidden.iter().any(|words| statement.contains(words)), "{statement}");
    }
}

#[test]
fn no_file_is_longer_than_400_lines_without_its_tests() {
    for file in sources(&src()) {
        let text = fs::read_to_string(&file).unwrap();
        let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
        assert!(lines <= 400, "{} has {lines} lines before its tests", file.display());
    }
}

#[test]
fn no_modules_use_each_other_in_a_circle() {
    let modules = Modules::read();
    for directory in WITHOUT_CIRCLES {
        let uses = modules.uses_within(directory);
        assert!(uses.values().map(BTreeSet::len).sum::<usize>() > 10, "{directory} has modules that use each other");
        assert_eq!(circles(&uses), Vec::<String>::new());
    }
}

#[test]
fn a_circle_is_found() {
    let uses = |pairs: &[(&str, &str)]| {
        let mut uses = BTreeMap::<Module, BTreeSet<Module>>::new();
        for (user, used) in pairs {
            uses.entry(vec![(*user).to_owned()]).or_default().insert(vec![(*used).to_owned()]);
        }
        uses
    };
    assert_eq!(circles(&uses(&[("a", "b"), ("a", "c"), ("b", "c")])), Vec::<String>::new());
    assert_eq!(circles(&uses(&[("a", "b"), ("b", "c"), ("c", "b")])), ["b → c → b"]);
}

/// The path of a module within the crate.
type Module = Vec<String>;

/// The modules of the crate, each with the paths that its code uses, and with the names that it re-exports.
struct Modules(BTreeMap<Module, Paths>);

impl Modules {
    fn read() -> Self {
        let root = src();
        let read = |file: PathBuf| {
            let relative = file.strip_prefix(&root).unwrap().with_extension("");
            let mut module: Module = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            if module.last().is_some_and(|last| last == "mod" || last == "lib") {
                module.pop();
            }
            let mut paths = Paths { module: module.clone(), ..Paths::default() };
            paths.visit_file(&syn::parse_file(&fs::read_to_string(&file).unwrap()).unwrap());
            (module, paths)
        };
        let is_rust = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "rs");
        Self(sources(&root).into_iter().filter(is_rust).map(read).collect())
    }

    /// The uses among the modules in a directory. A directory's own module is above all others in it: it may use them,
    /// and they may use what it declares.
    fn uses_within(&self, directory: &str) -> BTreeMap<Module, BTreeSet<Module>> {
        let is_inside = |module: &Module| module.first().is_some_and(|first| first == directory) && !is_page(module);
        let inside = self.0.iter().filter(|(module, _)| is_inside(module));
        let uses = inside.map(|(module, paths)| {
            let used = paths.used.iter().map(|path| self.resolve(path));
            let other = |used: &Module| is_inside(used) && !used.starts_with(module) && !module.starts_with(used);
            (module.clone(), used.filter(other).collect())
        });
        uses.collect()
    }

    /// The module in which the item of a path is defined. Re-exports of modules within a module are followed.
    fn resolve(&self, path: &[String]) -> Module {
        let (module, rest) = path.split_at(self.module_length(path));
        match rest.first().and_then(|name| self.0[module].exported.get(name)) {
            Some(origin) if origin.starts_with(module) && self.module_length(origin) > module.len() => {
                self.resolve(origin)
            }
            _ => module.to_vec(),
        }
    }

    /// How much of a path names a module.
    fn module_length(&self, path: &[String]) -> usize {
        (0..=path.len()).rev().find(|length| self.0.contains_key(&path[..*length])).unwrap()
    }
}

/// The paths in the code of a module, apart from its tests.
#[derive(Default)]
struct Paths {
    module: Module,
    used: BTreeSet<Vec<String>>,
    exported: BTreeMap<String, Vec<String>>,
}

impl Paths {
    /// The path within the crate, if it is one.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let supers = path.iter().take_while(|part| *part == "super").count();
        let mut absolute = match path.first()?.as_str() {
            "crate" => return Some(path[1..].to_vec()),
            "self" => [&self.module, &path[1..]].concat(),
            "super" => [&self.module[..self.module.len() - supers], &path[supers..]].concat(),
            _ => [&self.module, path].concat(),
        };
        absolute.retain(|part| part != "self");
        Some(absolute)
    }

    fn tree(&mut self, tree: &syn::UseTree, path: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(part) => {
                path.push(part.ident.to_string());
                self.tree(&part.tree, path);
                path.pop();
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.tree(item, path)),
            syn::UseTree::Name(name) => self.name(path, &name.ident, &name.ident),
            syn::UseTree::Rename(name) => self.name(path, &name.ident, &name.rename),
            syn::UseTree::Glob(_) => self.used.extend(self.absolute(path)),
        }
    }

    fn name(&mut self, path: &[String], name: &syn::Ident, alias: &syn::Ident) {
        let path = self.absolute(&[path, &[name.to_string()]].concat());
        self.exported.extend(path.clone().map(|path| (alias.to_string(), path)));
        self.used.extend(path);
    }
}

impl Visit<'_> for Paths {
    fn visit_item_mod(&mut self, item: &syn::ItemMod) {
        if item.content.is_none() || !item.attrs.iter().any(|attribute| attribute.path().is_ident("cfg")) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &syn::ItemUse) {
        self.tree(&item.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &syn::Path) {
        let parts: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if parts.len() > 1 {
            self.used.extend(self.absolute(&parts));
        }
        visit::visit_path(self, path);
    }
}

fn is_page(module: &[String]) -> bool {
    module.len() >= PAGES.len() && module.iter().zip(PAGES).all(|(part, page)| part == page)
}

/// The shortest circle through each module that is in one.
fn circles(uses: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<String> {
    let mut circles = Vec::new();
    let mut seen = BTreeSet::new();
    for start in uses.keys() {
        let mut ways = VecDeque::from([vec![start.clone()]]);
        let mut reached = BTreeSet::new();
        while let Some(at) = ways.pop_front() {
            for next in uses.get(at.last().unwrap()).into_iter().flatten() {
                if next == start && at.iter().all(|module| !seen.contains(module)) {
                    let names: Vec<_> = at.iter().chain([start]).map(|module| module.join("::")).collect();
                    circles.push(names.join(" → "));
                    seen.extend(at.iter().cloned());
                } else if reached.insert(next.clone()) {
                    ways.push_back([&at[..], std::slice::from_ref(next)].concat());
                }
            }
        }
    }
    circles
}
