//! A module's friends are other modules of its own address.
//!
//! Friends may call what is not public. An address could otherwise open its functions to code it does not control, and
//! publishing would have to look at other accounts to see whether friendship and use form a cycle.

use noema_bytecode::CompiledModule;
use noema_execution_api::StatusCode;

use crate::{Result, VerifyError};

pub(crate) fn check(module: &CompiledModule) -> Result {
    let own = module.self_id();
    for (position, friend) in module.immediate_friends().enumerate() {
        let error = |status, message| Err(VerifyError::at_entry(module, "friend", position, status, message));
        if friend == own {
            return error(StatusCode::INVALID_FRIEND_DECL_WITH_SELF, "a module is not its own friend");
        }
        if friend.address != own.address {
            let status = StatusCode::INVALID_FRIEND_DECL_WITH_MODULES_OUTSIDE_ACCOUNT_ADDRESS;
            return error(status, "friends have the module's address");
        }
    }
    Ok(())
}
