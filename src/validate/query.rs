//! Rules for query parameters.
//!
//! A query is read as forms are (WHATWG URL, 5.1): `&` between parameters, `+` for a space, escapes decoded in names and
//! values, so that `lim%69t` is held to the rule of `limit`. A parameter with a rule may stand once: of two, one server takes
//! the first and another the last. The query itself goes on byte for byte, and parameters without a rule are not looked at.
//! Nothing is allocated unless there is something to complain of.

/// What a parameter's value must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterRule {
    /// Decimal digits, a `-` before them if negative, no leading zeros (which some read as octal).
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// Anything whose escapes are well formed.
    Text {
        /// In bytes, decoded.
        max_length: usize,
    },
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryRules {
    rules: Vec<(String, ParameterRule)>,
}

impl QueryRules {
    /// Rules by parameter name.
    #[must_use]
    pub fn new(rules: Vec<(String, ParameterRule)>) -> Self {
        Self { rules }
    }

    /// Checks a query string (without `?`).
    ///
    /// # Errors
    /// The first rule that is broken, in the order of the configuration; a repeated parameter breaks its rule.
    pub fn check(&self, query: Option<&str>) -> Result<(), ParameterError<'_>> {
        let Some(query) = query.filter(|query| !query.is_empty()) else { return Ok(()) };
        self.rules.iter().try_for_each(|(parameter, rule)| {
            let checked = rule.check(values(query, parameter));
            checked.map_err(|broken| ParameterError { parameter, detail: rule.detail(parameter, broken) })
        })
    }
}

/// How a rule is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    Repeated,
    Value,
    Escape,
}

impl ParameterRule {
    /// Checks all values of one parameter, still escaped.
    fn check<'q>(&self, mut values: impl Iterator<Item = &'q [u8]>) -> Result<(), Broken> {
        let Some(value) = values.next() else { return Ok(()) };
        if values.next().is_some() {
            return Err(Broken::Repeated);
        }
        let is_admitted = match self {
            Self::Integer { min, max } => integer(value).is_some_and(|number| (*min..=*max).contains(&number)),
            Self::Text { .. } if Form(value).any(|byte| byte.is_none()) => return Err(Broken::Escape),
            Self::Text { max_length } => Form(value).count() <= *max_length,
        };
        if is_admitted { Ok(()) } else { Err(Broken::Value) }
    }

    fn detail(&self, name: &str, broken: Broken) -> String {
        match (broken, self) {
            (Broken::Repeated, _) => format!("{name} must not be repeated"),
            (Broken::Escape, _) => format!("{name} must be percent-encoded correctly"),
            (Broken::Value, Self::Text { max_length }) => format!("{name} must be at most {max_length} bytes long"),
            (Broken::Value, Self::Integer { min: i64::MIN, max: i64::MAX }) => format!("{name} must be an integer"),
            (Broken::Value, Self::Integer { min, max: i64::MAX }) => format!("{name} must be an integer of at least {min}"),
            (Broken::Value, Self::Integer { min: i64::MIN, max }) => format!("{name} must be an integer of at most {max}"),
            (Broken::Value, Self::Integer { min, max }) => format!("{name} must be an integer from {min} to {max}"),
        }
    }
}

/// The values, still escaped, of the parameters of this name.
fn values<'q>(query: &'q str, name: &str) -> impl Iterator<Item = &'q [u8]> {
    query.split('&').filter_map(move |parameter| {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let is_meant = !parameter.is_empty() && Form(key.as_bytes()).eq(name.bytes().map(Some));
        is_meant.then_some(value.as_bytes())
    })
}

/// None also where the number does not fit, which is outside every range.
fn integer(value: &[u8]) -> Option<i64> {
    let mut rest = Form(value);
    let is_negative = Form(value).next() == Some(Some(b'-'));
    if is_negative {
        rest.next();
    }
    let mut digits = 0_usize;
    let mut number = 0_i64;
    let mut begins_with_zero = false;
    for byte in rest {
        let digit = byte.filter(u8::is_ascii_digit)? - b'0';
        begins_with_zero |= digits == 0 && digit == 0;
        digits += 1;
        // Counted down from zero for negative ones: i64::MIN has no positive counterpart.
        let signed = if is_negative { -i64::from(digit) } else { i64::from(digit) };
        number = number.checked_mul(10)?.checked_add(signed)?;
    }
    let is_canonical = digits > 0 && (!begins_with_zero || (digits == 1 && !is_negative));
    is_canonical.then_some(number)
}

/// The bytes of a form's name or value; none in place of a `%` that begins no escape.
struct Form<'q>(&'q [u8]);

impl Iterator for Form<'_> {
    type Item = Option<u8>;

    fn next(&mut self) -> Option<Option<u8>> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        if first == b'+' {
            return Some(Some(b' '));
        }
        if first != b'%' {
            return Some(Some(first));
        }
        let [high, low, rest @ ..] = rest else { return Some(None) };
        let Some(byte) = hexadecimal(*high, *low) else { return Some(None) };
        self.0 = rest;
        Some(Some(byte))
    }
}

fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let high = char::from(high).to_digit(16)?;
    let low = char::from(low).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

#[cfg(test)]
mod tests;
