//! The scripts, each behind what they share.

use std::sync::LazyLock;

use crate::redis::script::Script;

macro_rules! scripts {
    ($($name:ident: $file:literal;)*) => {$(
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            let shared = include_str!("../lua/sessions.lua");
            Script::new(&[shared, include_str!(concat!("../lua/", $file))])
        });
    )*};
}

scripts! {
    BIND: "bind.lua";
    UNBIND: "unbind.lua";
    LOCATE: "locate.lua";
    ONLINE: "online.lua";
    COUNT: "count.lua";
    RETAIN: "retain.lua";
    RENEW: "renew.lua";
    LISTED: "listed.lua";
}
