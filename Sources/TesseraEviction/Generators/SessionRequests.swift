// SPDX-License-Identifier: Apache-2.0

internal import TesseraKV

/// Sessions of a RAG application. A session is about a topic, asks one to eight questions, and each of them retrieves five
/// chunks: half of them the topic's own, by their popularity there, a fifth that the question before retrieved too, and
/// the rest from anywhere, by popularity. Sixteen sessions go on side by side.
///
/// With an exponent of 0.8 the most popular 5 % of 5,000 chunks get 40 % of the retrievals, as Cache-Craft (SIGMOD 2025)
/// found for 2WikiMultihopQA; with 1.04 they get 60 %, as in its production system.
struct SessionRequests: RequestGenerator {
    private struct Session {
        var topic: Int
        var questions: Int
        var last: [Int] = []
    }

    private static let topicChunks = 20
    private static let chunksPerQuestion = 5
    private static let sideBySide = 16
    /// Draws for the chunks of a question.
    private static let mostDraws = 1000
    /// The shares of retrievals that repeat one of the question before, and that are of any topic.
    private static let (repeats, strays) = (0.2, 0.3)

    private let pattern: TracePattern
    private let topics: ZipfNumbers
    private let inTopic: ZipfNumbers
    private let anywhere: ZipfNumbers
    private var random: SplitMix64
    private var sessions: [Session] = []
    private var waiting: [Int] = []
    private var clock = 0.0

    init(_ pattern: TracePattern) {
        self.pattern = pattern
        let topicCount = max(1, pattern.objects / Self.topicChunks)
        topics = ZipfNumbers(count: topicCount, exponent: pattern.exponent)
        inTopic = ZipfNumbers(count: min(Self.topicChunks, pattern.objects), exponent: pattern.exponent)
        anywhere = ZipfNumbers(count: pattern.objects, exponent: pattern.exponent)
        random = SplitMix64(seed: pattern.seed)
    }

    mutating func next() -> TraceRequest {
        if waiting.isEmpty { ask() }
        return TraceRequest(time: clock, object: pattern.sizes.object(waiting.removeLast(), salt: pattern.seed))
    }

    private mutating func ask() {
        while sessions.count < Self.sideBySide {
            sessions.append(Session(topic: topics.draw(&random), questions: 1 + random.below(8)))
        }
        clock += 0.5
        let place = random.below(sessions.count)
        var session = sessions[place]
        var found: [Int] = []
        let wanted = min(Self.chunksPerQuestion, inTopic.count)
        for _ in 0..<Self.mostDraws where found.count < wanted {
            let chunk = retrieve(session)
            if !found.contains(chunk) { found.append(chunk) }
        }
        // Where nearly all draws are the same, the topic's next ones follow.
        for chunk in 0..<inTopic.count where found.count < wanted {
            let next = session.topic * Self.topicChunks + chunk
            if !found.contains(next) { found.append(next) }
        }
        waiting = found.reversed()
        (session.last, session.questions) = (found, session.questions - 1)
        if session.questions > 0 { sessions[place] = session } else { sessions.remove(at: place) }
    }

    private mutating func retrieve(_ session: Session) -> Int {
        let level = random.unit()
        if level < Self.repeats, !session.last.isEmpty { return session.last[random.below(session.last.count)] }
        if level > 1 - Self.strays { return spread(anywhere.draw(&random)) }
        return session.topic * Self.topicChunks + inTopic.draw(&random)
    }

    /// The chunk of a rank over all topics: the first of each topic, then the second of each, and so on.
    private func spread(_ rank: Int) -> Int {
        let topicCount = topics.count
        return min(pattern.objects - 1, rank % topicCount * Self.topicChunks + rank / topicCount)
    }
}
