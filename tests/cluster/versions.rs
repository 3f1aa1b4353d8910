//! Tests of other modules that `cargo soak versions::` runs on each combination of versions. The
//! combinations are in `tests/testbed/src/combination.rs`.

use crate::{
    brakes, containers, deployed, exact, healing, jobs, modes, next_job, policy, recovery, restart,
};

/// A test for each of these, of the same name.
macro_rules! on_each_combination {
    ($($name:ident: $test:path,)*) => {
        $(
            #[test]
            fn $name() {
                $test();
            }
        )*
    };
}

on_each_combination! {
    // From 1.37 on by the kubelet's socket.
    exact: exact::condemned_at_exactly_the_nth_failure,
    exact_by_the_api_server: exact::by_the_api_server,
    init_container: containers::bad_init_container_is_failed,
    image_volume: containers::an_image_that_is_mounted_is_failed_by_its_own_name,
    running_beside_bad: containers::one_running_and_one_bad_container_are_failed,
    healing: healing::image_pushed_after_two_failures_runs_and_nothing_is_written,
    rule_of_a_job: jobs::job_with_a_pod_failure_policy_fails_after_one_pod,
    status_in_a_cron_job: jobs::a_cron_job_needs_the_status_written_out,
    bare_pod: jobs::bare_pod_is_failed_and_told_why,
    standing_reasons: jobs::standing_reasons_are_failed_by_the_clock,
    next_job_by_cpu: next_job::ten_more_on_a_node_full_by_cpu,
    observing: modes::observing_says_what_would_be_done_and_writes_to_no_pod,
    registry_in_trouble: brakes::a_registry_in_trouble_holds_until_something_is_pulled_from_it,
    agent_killed: restart::killed_between_failures_the_counts_go_on,
    runtime_and_api_server_away: recovery::agent_recovers_from_a_restarted_runtime_and_an_absent_api_server,
    policy_requests: policy::an_agents_token_is_good_for_its_two_writes_and_nothing_else,
    policy_fields: policy::the_policy_names_every_field_that_the_api_server_knows,
    installed: deployed::both::installed_by_kustomize_and_by_helm_it_fails_a_pod,
}
