//! placeholder
mod files;
mod names;
pub use files::write_private;
pub use names::resolve_names;
use crate::auth::{Authenticator, IssuerIndex};
use crate::time::Now;
use std::sync::Arc;
#[derive(Debug, Clone, Copy)]
pub enum FetchResult { Updated, Unchanged, Failed }
pub struct KeyStatus { pub last_error: Option<String>, pub keys: usize }
#[derive(Debug)]
pub struct KeyFetcher {}
impl KeyFetcher { pub async fn await_keys(&self, _i: IssuerIndex) {} 
pub fn new(_a: &Authenticator, _c: Arc<dyn Fn() -> Now + Send + Sync>, _r: Box<dyn Fn(IssuerIndex, FetchResult) + Send + Sync>) -> Self { Self {} }
pub fn spawn(&self) {}
pub fn status(&self, _i: IssuerIndex) -> KeyStatus { KeyStatus { last_error: None, keys: 0 } }
}
