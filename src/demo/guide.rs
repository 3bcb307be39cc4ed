//! The text that `demo` prints: what to try, as lines to paste.
//!
//! Every line is a comment or one whole command (`export …`, `curl …`) for sh and bash; in order they work with nothing
//! installed but curl 7.67 or newer and sed. The secret in it is the demo's own, made at its start.

#[cfg(test)]
mod tests;

/// Upper-case words in braces are filled in. Answers are read with sed because jq is not everywhere. `-s` leaves the meter of
/// parallel transfers on (seen with curl 7.88), hence `--no-progress-meter`.
const TEMPLATE: &str = r#"# StackFlow gateway demo: {BASE} (API), {ADMIN} (admin). Paste the lines in order; stop with Ctrl-C.

# A token for the demo's service account; with jq instead of sed: ... | jq -r .access_token
export TOKEN=$(curl -sS -u {CREDENTIALS} -d grant_type=client_credentials {BASE}/oauth2/token | sed -n 's/.*"access_token" *: *"\([^"]*\)".*/\1/p')

# Two incidents. See X-RateLimit-Limit, -Remaining and -Reset, X-Request-Id, and Link to the next page.
curl -sS -i -w '\n' -H "Authorization: Bearer $TOKEN" "{BASE}/prod/api/v1/incidents?limit=2"

# The next page: the cursor comes from the page before.
export CURSOR=$(curl -sS -H "Authorization: Bearer $TOKEN" "{BASE}/prod/api/v1/incidents?limit=2" | sed -n 's/.*"next_cursor" *: *"\([^"]*\)".*/\1/p')
curl -sS -w '\n' -H "Authorization: Bearer $TOKEN" "{BASE}/prod/api/v1/incidents?limit=2&cursor=$CURSOR"

# A new incident: 201 with its Location; opened_by is who the token says, whatever the body says.
curl -sS -i -w '\n' -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"short_description":"VPN drops every hour","priority":2}' "{BASE}/prod/api/v1/incidents"

# Without a token: 401, and WWW-Authenticate says what is missing.
curl -sS -i -w '\n' "{BASE}/prod/api/v1/incidents"

# 200 requests at once. A user has 100 a second: about 100 are answered 200, about 100 are refused with 429.
curl --no-progress-meter -Z --parallel-max 50 -o /dev/null -w '%{http_code}\n' -H "Authorization: Bearer $TOKEN" "{BASE}/prod/api/v1/incidents?limit=1&n=[1-200]" | sort | uniq -c

# A bulk import is exempt from that limit: 202 at once, and a job that is complete after two seconds (ask again).
export JOB=$(curl -sS -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '[{"short_description":"Printer offline"},{"short_description":"Disk full"}]' "{BASE}/prod/api/v1/incidents/bulk" | sed -n 's/.*"job_id" *: *"\([^"]*\)".*/\1/p')
curl -sS -w '\n' -H "Authorization: Bearer $TOKEN" "{BASE}/prod/api/v1/jobs/$JOB"

# A browser's preflight from an allowed origin: 204 with the methods of this path, no token needed.
curl -sS -i -X OPTIONS -H 'Origin: https://app.stackflow-tech.com' -H 'Access-Control-Request-Method: POST' "{BASE}/prod/api/v1/incidents"

# An answer as server-sent events: they pass one by one, about ten in a second.
curl -sS -N -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -H 'Accept: text/event-stream' -d '{"query":"How do I connect to the VPN?"}' "{BASE}/prod/api/v1/ai/query"

# What the gateway counted, for Prometheus; {ADMIN}/readyz tells whether it is ready.
curl -sS "{ADMIN}/metrics"
"#;

/// The text for a demo at `base` and `admin` (each `http://host:port`, no slash at the end) with its one service account.
#[must_use]
pub fn text(base: &str, admin: &str, client_id: &str, client_secret: &str) -> String {
    let credentials = shell_word(&format!("{client_id}:{client_secret}"));
    TEMPLATE.replace("{CREDENTIALS}", &credentials).replace("{BASE}", base).replace("{ADMIN}", admin)
}

/// Quoted so that any shell takes it as it is: inside single quotes only the single quote itself ends the word.
fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
