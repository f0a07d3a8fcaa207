// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// Independent requests, popularity by Zipf's law.
struct ZipfRequests: RequestGenerator {
    private let pattern: TracePattern
    private let ranks: ZipfNumbers
    private var random: SplitMix64
    private var clock = RequestClock()

    init(_ pattern: TracePattern) {
        self.pattern = pattern
        ranks = ZipfNumbers(count: pattern.objects, exponent: pattern.exponent)
        random = SplitMix64(seed: pattern.seed)
    }

    mutating func next() -> TraceRequest {
        TraceRequest(time: clock.tick(), object: pattern.sizes.object(ranks.draw(&random), salt: pattern.seed))
    }
}

/// All objects in turn, over and over.
struct LoopRequests: RequestGenerator {
    private let pattern: TracePattern
    private var place = 0
    private var clock = RequestClock()

    init(_ pattern: TracePattern) {
        self.pattern = pattern
    }

    mutating func next() -> TraceRequest {
        let object = pattern.sizes.object(place, salt: pattern.seed)
        place = (place + 1) % pattern.objects
        return TraceRequest(time: clock.tick(), object: object)
    }
}

/// Zipf, interrupted by passes over objects that nobody asks for otherwise: after so many requests as there are objects,
/// a run of a fifth as many.
struct ScanRequests: RequestGenerator {
    private let pattern: TracePattern
    private var zipf: ZipfRequests
    private var (made, scanned) = (0, 0)
    private var clock = RequestClock()

    init(_ pattern: TracePattern) {
        self.pattern = pattern
        zipf = ZipfRequests(pattern)
    }

    mutating func next() -> TraceRequest {
        let run = max(1, pattern.objects / 5)
        let isScan = made % (pattern.objects + run) >= pattern.objects
        made += 1
        var request = zipf.next()
        if isScan {
            request.object = pattern.sizes.object(pattern.objects + scanned % pattern.objects, salt: pattern.seed)
            scanned += 1
        }
        request.time = clock.tick()
        return request
    }
}

/// Zipf, with the ranks wandering over the objects: after as many requests as there are objects, a tenth of the ranks goes
/// to other objects.
struct ShiftRequests: RequestGenerator {
    private let pattern: TracePattern
    private let ranks: ZipfNumbers
    private var random: SplitMix64
    private var objects: [Int]
    private var made = 0
    private var clock = RequestClock()

    init(_ pattern: TracePattern) {
        self.pattern = pattern
        ranks = ZipfNumbers(count: pattern.objects, exponent: pattern.exponent)
        random = SplitMix64(seed: pattern.seed)
        objects = Array(0..<pattern.objects)
    }

    mutating func next() -> TraceRequest {
        if made > 0, made % pattern.objects == 0 {
            for _ in 0..<max(1, pattern.objects / 20) {
                objects.swapAt(random.below(objects.count), random.below(objects.count))
            }
        }
        made += 1
        let number = objects[ranks.draw(&random)]
        return TraceRequest(time: clock.tick(), object: pattern.sizes.object(number, salt: pattern.seed))
    }
}

/// Four tenants with objects, popularities and rates of their own.
struct Tenants: RequestGenerator {
    static let names = ["steady", "broad", "narrow", "sweeping"]
    /// The share of requests of each.
    private static let rates = [0.4, 0.3, 0.2, 0.1]

    private var tenants: [any RequestGenerator]
    private var random: SplitMix64
    private var clock = RequestClock()

    init(_ pattern: TracePattern) {
        func part(_ number: Int, _ exponent: Double) -> TracePattern {
            var part = pattern
            part.objects = max(1, pattern.objects / 4)
            part.exponent = exponent
            part.seed = pattern.seed &+ UInt64(number) &* 7919
            return part
        }
        tenants = [
            ZipfRequests(part(0, pattern.exponent)), ZipfRequests(part(1, pattern.exponent / 2)),
            ZipfRequests(part(2, pattern.exponent * 1.2)), LoopRequests(part(3, 0)),
        ]
        random = SplitMix64(seed: pattern.seed)
    }

    mutating func next() -> TraceRequest {
        let level = random.unit()
        var (tenant, sum) = (0, Self.rates[0])
        while level >= sum, tenant + 1 < Self.rates.count {
            tenant += 1
            sum += Self.rates[tenant]
        }
        var request = tenants[tenant].next()
        request.time = clock.tick()
        request.object.namespace = tenant
        return request
    }
}
