//! Survey: the images that a cluster cannot pull, and the resources that their Pods hold.
//! `plan` and `table` are pure: Pods and a policy go in, groups come out.
//! Only `take` asks the API server, and it writes nothing. `answer` is the form for programs.

mod answer;
mod plan;
mod table;
mod take;

pub use answer::{Failed, Holding, Holds, PlanCount, Row, Rules, Survey, Total};
pub use plan::{Act, Plan};
pub use table::{By, Group, Seen, Table};
pub use take::{Asked, take};
