//! Rules for query parameters.

/// What a parameter's value must be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ParameterRule {
    Integer { min: i64, max: i64 },
    Text { max_length: usize },
}

/// A parameter that breaks its rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterError<'r> {
    /// Its name, as configured.
    pub parameter: &'r str,
    /// What it must be, for the client.
    pub detail: String,
}

/// The rules of one route.
#[derive(Clone, Debug, Default)]
pub struct QueryRules { rules: Vec<(String, ParameterRule)> }

impl QueryRules {
    /// Rules by parameter name.
    #[must_use]
    pub fn new(rules: Vec<(String, ParameterRule)>) -> Self { Self { rules } }
    /// Whether there is nothing to check.
    #[must_use]
    pub fn is_empty(&self) -> bool { self.rules.is_empty() }
    /// Checks a query string (without `?`).
    ///
    /// # Errors
    /// The first parameter that breaks its rule, or is repeated.
    pub fn check(&self, query: Option<&str>) -> Result<(), ParameterError<'_>> { let _ = query; todo!() }
}
