//! Tests of other modules on nodes with CRI-O, and the install there.

use crate::bed::on_crio;
use crate::{containers, deployed, exact, healing, jobs, matrix, next_job, options, recovery};

/// A test for each of these, of the same name.
macro_rules! on_crio {
    ($($name:ident: $test:path,)*) => {
        $(
            #[test]
            fn $name() {
                on_crio($test);
            }
        )*
    };
}

on_crio! {
    exact_by_the_kubelets_socket: exact::condemned_at_exactly_the_nth_failure,
    exact_by_the_api_server: exact::by_the_api_server,
    init_container: containers::bad_init_container_is_failed,
    image_volume: containers::an_image_that_is_mounted_is_failed_by_its_own_name,
    running_beside_bad: containers::one_running_and_one_bad_container_are_failed,
    shared_image: containers::two_containers_of_one_bad_image_count_each_attempt_once,
    count_of_a_container: containers::a_container_with_a_count_of_its_own_is_failed_at_it,
    healing: healing::image_pushed_after_two_failures_runs_and_nothing_is_written,
    policy_of_a_job: jobs::job_with_a_pod_failure_policy_fails_after_one_pod,
    gang: jobs::a_gangs_job_fails_at_once_only_if_no_node_could_pull,
    exit_code_137: jobs::a_rule_on_exit_code_137_belongs_after_ours,
    backoff_limit: jobs::job_without_a_policy_counts_its_backoff_limit,
    retries: jobs::a_jobs_retries_need_one_failure_each,
    bare_pod: jobs::bare_pod_is_failed_and_told_why,
    standing_reasons: jobs::standing_reasons_are_failed_by_the_clock,
    second_opinion: options::deleting_instead_and_namespaces_by_label,
    next_job_by_cpu: next_job::ten_more_on_a_node_full_by_cpu,
    next_job_by_a_device: next_job::none_of_the_next_jobs_is_refused_on_a_node_full_by_a_device,
    matrix: matrix::no_more_failures_are_counted_than_pulls_were_made_and_healed_images_run,
    runtime_and_api_server_away: recovery::agent_recovers_from_a_restarted_runtime_and_an_absent_api_server,
    runtime_killed_in_mid_pull: recovery::a_pull_that_ends_with_the_runtime_is_never_held_against_the_image,
    deployed_as_shipped: deployed::both::installed_by_kustomize_and_by_helm_it_fails_a_pod,
}
