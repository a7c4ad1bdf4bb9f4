//! What a query asks for.

/// Which extensions a query includes: names in any case, or `*` for all (contract §3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtensionSelection {
    /// All there are.
    pub all: bool,
    /// Those of these names, in lower case.
    pub names: Vec<String>,
}

impl ExtensionSelection {
    /// Adds a comma separated list. Names that nothing bears select nothing.
    pub fn add(&mut self, list: &str) {
        for name in list.split(',').map(str::trim).filter(|name| !name.is_empty() && !name.contains('\0')) {
            if name == "*" {
                self.all = true;
            } else {
                self.names.push(name.to_ascii_lowercase());
            }
        }
    }

    /// Whether nothing is asked for.
    pub const fn is_empty(&self) -> bool {
        !self.all && self.names.is_empty()
    }
}
