//! Sizes and offsets of what crosses the border, as tests/c/layout.c has them for C.

use std::mem::offset_of;

use crate::{Batch, BudgetState, DeviceInfo, EnergyNow, Powers, SourceDomain, SourceTable, SpanTotal, Work};

macro_rules! layout {
    ($type:ident is $size:literal: $($field:ident $offset:literal)*) => {
        const _: () = assert!(size_of::<$type>() == $size);
        $(const _: () = assert!(offset_of!($type, $field) == $offset);)*
    };
}

layout!(Work is 32: struct_size 0 flags 4 samples 8 tokens 16 loss 24);
layout!(EnergyNow is 24: struct_size 0 flags 4 at_ns 8 total_uj 16);
layout!(SpanTotal is 88: struct_size 0 state 4 sync 8 reserved 12 count 16 duration_ns 24 energy_uj 32 low_uj 40 high_uj 48
    free_low_uj 56 free_high_uj 64 range_percent 72 range_kind 80 reserved2 84);
layout!(DeviceInfo is 120: struct_size 0 flags 4 component 8 quality 12 energy_uj 16 low_uj 24 high_uj 32 wraps 40 resets 48
    coverage 56 mean_w 64 peak_w 72 gain_percent 80 free_low_uj 88 free_high_uj 96 range_percent 104 range_kind 112
    reserved 116);
layout!(BudgetState is 120: struct_size 0 decision 4 limits 8 reserved 12 share 16 unit 24 reserved2 28 spent 32 limit 40 held 48
    finish 56 finish_low 64 finish_high 72 finish_p90 80 low 88 high 96 quality_percent 104 quality 112 reserved3 116);
layout!(Batch is 96: struct_size 0 kind 4 count 8 amount 16 time_ns 24 g_per_kwh 32 pue 40 price_per_tonne 48 kwh 56 watts 64
    grams 72 grams_per_s 80 credit_cost 88);
layout!(Powers is 72: struct_size 0 flags 4 count 8 power_w 16 duration_s 24 g_per_kwh 32 pue 40 kwh 48 kg 56 kg_per_s 64);
layout!(SourceDomain is 72: struct_size 0 component 4 kind 8 reserved 12 id 16 domain 24 name 32 parent 40
    base_per_raw 48 range 56 max_w 64);
layout!(SourceTable is 48: struct_size 0 domain_count 4 name 8 domains 16 read 24 user_data 32 destroy 40);
