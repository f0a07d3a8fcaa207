// SPDX-License-Identifier: Apache-2.0

import Foundation
import TesseraKV
import TesseraTestSupport
import Testing

@testable import TesseraEviction

@Suite struct SimulationTests {
    private func requests(_ letters: String, bytes: (Character) -> Int = { _ in 1 }) -> RequestList {
        RequestList(
            letters.enumerated().map { TraceRequest(time: Double($0), object: object($1, bytes: bytes($1))) })
    }

    @Test func `results come by capacity then by policy`() throws {
        let simulation = Simulation(policies: [.lru, .fifo], capacities: [.bytes(2), .share(0.5), .share(1)])
        let report = try simulation.run(requests("abcabcab"))
        #expect(report.requests == 8)
        #expect(report.objects == 3 && report.distinctBytes == 3)
        #expect(report.results.map(\.policy) == ["lru", "fifo", "lru", "fifo", "lru", "fifo"])
        #expect(report.results.map(\.capacity) == [2, 2, 1, 1, 3, 3])
        #expect(report.results[4].missRatio == 3.0 / 8)
    }

    @Test func `a simulation is the same each time and equals one cache alone`() throws {
        let pattern = TracePattern(.zipf, objects: 300, requests: 100_000, seed: 9)
        let simulation = Simulation(policies: PolicyKind.all, capacities: [.share(0.05), .share(0.2)])
        let report = try simulation.run(pattern)
        let again = try simulation.run(pattern)
        #expect(report.results.map(\.missRatio) == again.results.map(\.missRatio))
        var source = try pattern.open()
        var model = CacheModel(.value, PolicySettings(capacity: report.results.last?.capacity ?? 0, seed: 1))
        for request in try source.next(100_000) { model.request(request.object, at: request.time) }
        #expect(report.results.last?.missRatio == model.statistics.missRatio)
    }

    /// The fewest misses by trying every choice, newcomers turned away among them.
    private func fewestMisses(_ letters: [Character], capacity: Int) -> Int {
        var states: [Set<Character>: Int] = [[]: 0]
        for letter in letters {
            var next: [Set<Character>: Int] = [:]
            func reach(_ state: Set<Character>, _ misses: Int) { next[state] = min(next[state] ?? .max, misses) }
            for (state, misses) in states {
                guard !state.contains(letter) else {
                    reach(state, misses)
                    continue
                }
                reach(state, misses + 1)
                if state.count < capacity { reach(state.union([letter]), misses + 1) }
                for victim in state { reach(state.subtracting([victim]).union([letter]), misses + 1) }
            }
            states = next
        }
        return states.values.min() ?? 0
    }

    @Test(arguments: 1...20) func `belady misses as few as can be`(_ seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let letters = String((0..<40).map { _ in Character(UnicodeScalar(UInt8(97 + random.next() % 7))) })
        for capacity in 1...4 {
            var simulation = Simulation(policies: PolicyKind.all, capacities: [.bytes(capacity)])
            simulation.bounds = true
            let results = try simulation.run(requests(letters)).results
            let belady = try #require(results.first { $0.policy == "belady" })
            let bound = try #require(results.first { $0.policy == "bound" })
            #expect(Int((belady.missRatio * 40).rounded()) == fewestMisses(Array(letters), capacity: capacity))
            #expect(bound.missRatio <= belady.missRatio + 1e-12)
            for result in results { #expect(result.missRatio >= belady.missRatio - 1e-12 || result.policy == "bound") }
        }
    }

    @Test func `the bound is above every policy for objects of all sizes`() throws {
        for kind in [TracePattern.Kind.zipf, .rag, .loop] {
            var simulation = Simulation(policies: PolicyKind.all, capacities: [.share(0.02), .share(0.1), .share(0.5)])
            simulation.bounds = true
            let results = try simulation.run(TracePattern(kind, objects: 400, requests: 20_000)).results
            #expect(!results.contains { $0.policy == "belady" })
            for bound in results where bound.policy == "bound" {
                for result in results where result.capacity == bound.capacity {
                    #expect(result.missRatio >= bound.missRatio - 1e-12)
                    #expect(result.byteMissRatio >= bound.byteMissRatio - 1e-12)
                    #expect(result.timeSaved <= bound.timeSaved + 1e-12)
                }
            }
        }
    }

    @Test func `the bound is what its source says`() {
        // Hits worth 1 that take 1, 2 and 4 byte-requests each; a cache of 1 byte over 3 requests has 3 to give.
        var bound = SizeAwareBound()
        bound.add(worth: 1, bytes: 1, wait: nil)
        bound.add(worth: 1, bytes: 1, wait: 1)
        bound.add(worth: 1, bytes: 2, wait: 1)
        bound.add(worth: 1, bytes: 1, wait: 4)
        #expect(bound.share(capacity: 1, requests: 3) == 2.0 / 4)
        #expect(bound.share(capacity: 10, requests: 3) == 3.0 / 4)
        #expect(bound.share(capacity: 0, requests: 3) == 0)
    }

    @Test func `absurd sizes, costs and capacities give figures and no crash`() throws {
        let list = RequestList(
            (0..<40).map { place in
                TraceRequest(
                    time: Double(place),
                    object: object(
                        Array("abcd")[place % 4], bytes: place % 2 == 0 ? 1 << 40 : 1,
                        cost: place % 3 == 0 ? Double.leastNonzeroMagnitude : 1e18))
            })
        for capacity in [Simulation.Capacity.bytes(.max), .bytes(1), .share(1e30)] {
            var simulation = Simulation(policies: PolicyKind.all, capacities: [capacity])
            simulation.bounds = true
            for result in try simulation.run(list).results {
                #expect((0...1).contains(result.missRatio) && (0...1).contains(result.byteMissRatio))
                #expect(result.timeSaved.isFinite)
            }
        }
    }

    @Test func `with a smaller codec the bound is above every policy too`() throws {
        var simulation = Simulation(policies: [.value, .lru], capacities: [.share(0.1), .share(0.5)])
        simulation.demotion = Demotion(size: 0.5, loss: 0.05)
        simulation.bounds = true
        let results = try simulation.run(TracePattern(.zipf, objects: 300, requests: 20_000, sizes: .unit)).results
        #expect(!results.contains { $0.policy == "belady" })
        for bound in results where bound.policy == "bound" {
            for result in results where result.capacity == bound.capacity {
                #expect(result.missRatio >= bound.missRatio - 1e-12 && result.timeSaved <= bound.timeSaved + 1e-12)
            }
        }
    }

    @Test func `next uses are found across blocks of the spill file`() throws {
        // More requests than a block of the file holds.
        let pattern = TracePattern(.zipf, objects: 5000, requests: 150_000, exponent: 0.5)
        var source = try pattern.open()
        let keys = try source.next(150_000).map(\.object.key)
        let nextUses = try NextUses(pattern.open())
        var (found, position): ([UInt64], Int) = ([], 0)
        while position < keys.count {
            let part = try nextUses.next(10_000)
            found += part
            position += part.count
        }
        var expected = [UInt64](repeating: NextUses.never, count: keys.count)
        var last: [ObjectKey: Int] = [:]
        for place in keys.indices {
            if let before = last.updateValue(place, forKey: keys[place]) { expected[before] = UInt64(place) }
        }
        #expect(found == expected)
    }

    @Test func `what makes no sense is refused`() {
        func refuses(_ simulation: Simulation, _ trace: RequestList? = nil) -> Bool {
            do throws(TesseraError) {
                _ = try simulation.run(trace ?? requests("ab"))
                return false
            } catch { return error.code == .invalidInput }
        }
        #expect(refuses(Simulation(policies: [.lru], capacities: [.bytes(0)])))
        #expect(refuses(Simulation(policies: [.lru], capacities: [.bytes(-5)])))
        #expect(refuses(Simulation(policies: [.lru], capacities: [.share(0)])))
        #expect(refuses(Simulation(policies: [.lru], capacities: [.share(-1)])))
        #expect(refuses(Simulation(policies: [.lru], capacities: [.share(0.5)]), RequestList([])))
        #expect(refuses(Simulation(policies: [.lru], capacities: [.bytes(1)]), RequestList([])))
        #expect(refuses(Simulation(policies: [.lru], capacities: [.bytes(1)], rules: CacheRules(admissionUses: 0))))
        var simulation = Simulation(policies: [.lru], capacities: [.bytes(1)])
        simulation.demotion = Demotion(size: 1.5, loss: 0)
        #expect(refuses(simulation))
        simulation.demotion = nil
        simulation.quotas = ["nobody": 5]
        #expect(refuses(simulation))
    }

    @Test func `what is odd in a trace is told`() throws {
        let list = RequestList(
            [3, 4, 3].enumerated().map { TraceRequest(time: Double($0), object: object("a", bytes: $1)) })
        let report = try Simulation(policies: [.lru], capacities: [.bytes(10)]).run(list)
        #expect(report.results[0].missRatio == 1)
        #expect(report.notes.contains { $0.contains("another size") })
        let flawed = PolicyKind("flawed", "names nobody") { Idle($0) }
        let notes = try Simulation(policies: [flawed], capacities: [.bytes(1)]).run(requests("ab")).notes
        #expect(notes.contains { $0.contains("flawed") })
    }

    @Test func `quotas go by the names of the trace`() throws {
        var simulation = Simulation(policies: [.lru], capacities: [.share(1)])
        let pattern = TracePattern(.tenants, objects: 200, requests: 20_000)
        let free = try simulation.run(pattern).results[0].missRatio
        simulation.quotas = ["steady": 1 << 20]
        #expect(try simulation.run(pattern).results[0].missRatio > free + 0.1)
    }

    /// Keeps everything.
    private struct Idle: EvictionPolicy {
        init(_ settings: PolicySettings) {}
        mutating func insert(_ object: CachedObject, at time: Double) {}
        mutating func remove(_ key: ObjectKey) {}
        mutating func victim(
            for incoming: CachedObject?, at time: Double, sparing isSpared: (ObjectKey) -> Bool
        ) -> Victim? { nil }
    }
}

/// The miss ratios that `Fixtures/eviction/compare.py` kept of another simulator.
@Suite struct LibCacheSimTests {
    struct Golden: Decodable {
        struct Trace: Decodable {
            var options: [String]
            var capacities: [Int]
            var missRatios: [String: [Double]]
        }
        var requests: Int
        var seed: UInt64
        var traces: [String: Trace]
    }

    @Test func `miss ratios are lib cache sims`() throws {
        let file = fixtures.appendingPathComponent("eviction/libcachesim.json")
        let golden = try JSONDecoder().decode(Golden.self, from: Data(contentsOf: file))
        var compared = 0
        for (name, trace) in golden.traces {
            var pattern = try #require(TracePattern.Kind(rawValue: trace.options[0])).map {
                TracePattern($0, requests: golden.requests, exponent: $0 == .rag ? 0.8 : 1, seed: golden.seed)
            }
            for (option, value) in zip(trace.options, trace.options.dropFirst()) {
                switch option {
                case "--exponent": pattern.exponent = try #require(Double(value))
                case "--objects": pattern.objects = try #require(Int(value))
                case "--sizes": pattern.sizes = try #require(ChunkSizes(rawValue: value))
                default: continue
                }
            }
            // The reference knows no costs: all are 1.
            var source = try pattern.open()
            var requests = try source.next(golden.requests)
            for place in requests.indices { requests[place].object.cost = 1 }
            let policies = try trace.missRatios.keys.sorted().map { try PolicyKind.named($0) }
            let simulation = Simulation(policies: policies, capacities: trace.capacities.map { .bytes($0) })
            for result in try simulation.run(RequestList(requests)).results {
                let place = try #require(trace.capacities.firstIndex(of: result.capacity))
                let reference = try #require(trace.missRatios[result.policy]?[place])
                #expect(
                    abs(result.missRatio - reference) <= 0.001,
                    "\(result.policy) over \(name) at \(result.capacity) bytes: \(result.missRatio), not \(reference)")
                compared += 1
            }
        }
        #expect(compared >= 8 * 6 * 5)
    }
}

extension TracePattern.Kind {
    fileprivate func map<R>(_ body: (Self) -> R) -> R { body(self) }
}
