//! The same seeds in each run, in parts that run side by side.

use super::{assert_none, failures};
use crate::plan::Mode;

macro_rules! parts {
    ($mode:expr; $($name:ident: $from:literal to $to:literal;)*) => {
        $(#[test] fn $name() {
            assert_none(&failures($from..=$to, $mode));
        })*
    };
}

parts! { Mode::Safety;
    seeds_1_to_25: 1 to 25;
    seeds_26_to_50: 26 to 50;
    seeds_51_to_75: 51 to 75;
    seeds_76_to_100: 76 to 100;
    seeds_101_to_125: 101 to 125;
    seeds_126_to_150: 126 to 150;
    seeds_151_to_175: 151 to 175;
    seeds_176_to_200: 176 to 200;
}

parts! { Mode::Liveness;
    a_majority_makes_progress_1_to_15: 1 to 15;
    a_majority_makes_progress_16_to_30: 16 to 30;
}
