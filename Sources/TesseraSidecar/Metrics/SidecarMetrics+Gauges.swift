// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Synchronization
internal import Tessera
internal import TesseraAPI
internal import TesseraStore

#if canImport(Glibc)
internal import Glibc
#else
internal import Musl
#endif

extension SidecarMetrics {
    /// Has what others know looked up before each rendering.
    func sample(_ caches: TenantCaches, _ leases: LeaseDesk, _ jobs: JobDesk, _ configuration: SidecarConfiguration) {
        let (cache, store) = (caches.first, caches.first.chunkStore)
        let started = Date().timeIntervalSince1970
        registry.onScrape { registry in
            let load = cache.scheduler.load
            registry.gauge("tessera_waiting_requests").set(load.waiting)
            registry.gauge("tessera_running_requests").set(load.running)
            registry.gauge("tessera_leases").set(leases.load.count)
            let counts = jobs.counts
            for state in Job.State.allCases {
                registry.gauge("tessera_jobs", [("state", state.rawValue)]).set(counts[state] ?? 0)
            }
            func tier(_ name: String, used: Int, limit: Int) {
                registry.gauge("tessera_tier_used_bytes", [("tier", name)]).set(used)
                registry.gauge("tessera_tier_limit_bytes", [("tier", name)]).set(limit)
            }
            tier("leases", used: leases.load.byteCount, limit: configuration.leases.memory)
            tier("requests", used: load.bytes, limit: configuration.cache.scheduling.requestMemory ?? 0)
            if let usage = try? store.diskUsage() { tier("disk", used: usage, limit: store.diskCap) }
            if let statistics = try? store.statistics() {
                tier("hot", used: statistics.hotByteCount, limit: configuration.cache.ramCap)
                registry.counter("tessera_evicted_records").raise(to: UInt64(statistics.evicted))
                registry.counter("tessera_expired_records").raise(to: UInt64(statistics.expired))
                registry.counter("tessera_demoted_records").raise(to: UInt64(statistics.demoted))
                registry.counter("tessera_damaged_records").raise(to: UInt64(statistics.damaged))
                registry.counter("tessera_failed_reads").raise(to: UInt64(statistics.failedReads))
            }
            registry.gauge("process_resident_memory_bytes").set(ProcessFacts.residentBytes)
            registry.gauge("process_open_fds").set(ProcessFacts.openFiles)
            registry.gauge("process_max_fds").set(ProcessFacts.mostFiles)
            registry.gauge("process_start_time_seconds").set(started)
        }
    }
}

/// What the kernel says of this process.
enum ProcessFacts {
    /// Bytes of it that are in RAM.
    static var residentBytes: Int {
        let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ")
        guard let fields, fields.count > 1, let pages = Int(fields[1]) else { return 0 }
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// Files and sockets that it has open; the one that looks is not counted.
    static var openFiles: Int {
        max(0, ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd"))?.count ?? 1) - 1)
    }

    /// The most that it may have open.
    static var mostFiles: Int {
        var limit = rlimit()
        return getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 ? Int(clamping: limit.rlim_cur) : 0
    }
}
