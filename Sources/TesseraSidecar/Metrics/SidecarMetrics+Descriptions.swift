// SPDX-License-Identifier: Apache-2.0

extension SidecarMetrics {
    /// Help and buckets of all metrics.
    static let descriptions: [String: MetricDescription] = [
        "tessera_requests_total": .init("Requests that were answered."),
        "tessera_request_seconds": .init(
            "Time from a request's head to the end of its answer.",
            buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]),
        "tessera_overhead_seconds": .init(
            "The part of it that was neither waiting for the cache or other requests nor computing, loading or decoding.",
            buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0015, 0.002, 0.0025, 0.005, 0.01, 0.025, 0.1]),
        "tessera_stage_seconds": .init("Time that answers spent in each stage.", buckets: latency),
        "tessera_time_to_first_token_seconds": .init(
            "Time from a request to its answer's first token.", buckets: latency),
        "tessera_prompt_tokens_total": .init("Tokens of prompts."),
        "tessera_prefix_tokens_total": .init("Tokens of prompts that belonged to a stored leading run."),
        "tessera_requested_chunk_tokens_total": .init("Tokens of chunks that prompts had."),
        "tessera_hit_chunk_tokens_total": .init("Tokens of chunks whose stored KV was used."),
        "tessera_recomputed_tokens_total": .init("Reused tokens that were computed anew."),
        "tessera_generated_tokens_total": .init("Tokens of answers."),
        "tessera_loaded_bytes_total": .init("Bytes of stored KV that were read."),
        "tessera_requested_chunks_total": .init("Chunks that prompts had."),
        "tessera_hit_chunks_total": .init("Chunks whose stored KV was used."),
        "tessera_evicted_records_total": .init("Records that were given up to make room."),
        "tessera_expired_records_total": .init("Records that were found past their time to live."),
        "tessera_demoted_records_total": .init("Records that made room by being written smaller."),
        "tessera_damaged_records_total": .init("Records that were found damaged and taken out."),
        "tessera_failed_reads_total": .init("Reads of records that failed for another reason than damage."),
        "tessera_tier_used_bytes": .init("Bytes that a tier takes."),
        "tessera_tier_limit_bytes": .init("The most bytes that a tier may take; 0 for no limit."),
        "tessera_waiting_requests": .init("Requests that wait to be let in."),
        "tessera_running_requests": .init("Requests that were let in and are not over."),
        "tessera_rejected_requests_total": .init("Requests that were turned away."),
        "tessera_leases": .init("Leases of stitched KV that are held."),
        "tessera_jobs": .init("Warm-ups by state."),
        "process_resident_memory_bytes": .init("Memory of the process that is in RAM."),
        "process_open_fds": .init("Files and sockets that the process has open."),
        "process_max_fds": .init("The most that it may have open."),
        "process_start_time_seconds": .init("When the process began, in seconds since 1970."),
    ]

    /// From a prompt that is all reused to one that takes a minute.
    private static let latency = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]
}
