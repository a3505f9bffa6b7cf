//! The accounts with the model's provider.

use async_trait::async_trait;

use crate::model::{AccountName, Standings};

/// The accounts with the model's provider.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// How the credentials of each account stand now. Cheap: it is asked at each wake.
    fn standings(&self) -> Standings;
    /// Has the sign-in of an account renewed. Whoever else renews the same one is waited for.
    ///
    /// # Errors
    /// Why it did not work, in words for people.
    async fn renew(&self, account: &AccountName) -> Result<(), String>;
}
