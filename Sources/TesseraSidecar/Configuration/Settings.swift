// SPDX-License-Identifier: Apache-2.0

internal import Configuration
internal import Foundation
internal import TesseraKV

/// Settings by name, from several places of which the first that has one counts.
///
/// swift-configuration's own reader takes a value that it can't convert for one that isn't there; a server that passes over
/// a mistyped limit is not safe to run. So its providers are asked here, and what can't be read is an error that names the
/// setting and the place.
struct Settings {
    /// What a setting is called: by components in the file, in upper case with underscores in the environment.
    struct Name: ExpressibleByStringLiteral, CustomStringConvertible {
        let components: [String]

        var description: String { components.joined(separator: ".") }

        init(stringLiteral name: String) { components = [name] }

        /// A setting of one tenant.
        init(tenant: String, _ name: String) { components = ["tenant", tenant, name] }
    }

    private let providers: [any ConfigProvider]

    /// - Parameter providers: The places, the one that goes before all others first.
    init(_ providers: [any ConfigProvider]) {
        self.providers = providers
    }

    /// A setting as it is written; nil where nobody has it.
    func text(_ name: Name) throws(TesseraError) -> String? {
        try value(name, as: [.string, .int, .double, .bool]) { content in
            switch content {
            case .string(let text): text
            case .int(let number): String(number)
            case .double(let number): String(number)
            case .bool(let flag): String(flag)
            default: nil
            }
        }
    }

    /// A setting that is a list: in JSON an array, elsewhere what stands between commas.
    func list(_ name: Name) throws(TesseraError) -> [String]? {
        try value(name, as: [.stringArray, .intArray]) { content in
            switch content {
            case .stringArray(let texts): texts
            case .intArray(let numbers): numbers.map(String.init)
            default: nil
            }
        }
    }

    /// A setting that is a whole number within some range.
    func number(_ name: Name, in range: ClosedRange<Int>) throws(TesseraError) -> Int? {
        try converted(name, "a whole number from \(range.lowerBound) to \(range.upperBound)") { text in
            Int(text).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// A setting that is a number of bytes, such as `2GB`.
    func bytes(_ name: Name) throws(TesseraError) -> Int? {
        try converted(name, "a number of bytes, such as 2GB") { text in
            Quantity.bytes(text).flatMap { $0 < 1 << 56 ? $0 : nil }
        }
    }

    /// A setting that is a time span: seconds, or such as `12h`.
    func seconds(_ name: Name) throws(TesseraError) -> Double? {
        try converted(name, "a number of seconds, or a time such as 12h") { text in
            let seconds = Double(text) ?? Quantity.seconds(text)
            return seconds.flatMap { $0 > 0 && $0 < 1e10 ? $0 : nil }
        }
    }

    /// A setting that is yes or no.
    func flag(_ name: Name) throws(TesseraError) -> Bool? {
        try converted(name, "true or false") { text in
            switch text.lowercased() {
            case "true", "yes", "1": true
            case "false", "no", "0": false
            default: nil
            }
        }
    }

    /// A setting that is one of some words.
    func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ name: Name, of type: Choice.Type
    ) throws(TesseraError) -> Choice? {
        let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
        return try converted(name, "one of \(words)") { Choice(rawValue: $0) }
    }

    private func converted<Value>(
        _ name: Name, _ what: String, _ convert: (String) -> Value?
    ) throws(TesseraError) -> Value? {
        guard let text = try text(name) else { return nil }
        guard let value = convert(text) else {
            throw TesseraError(
                .invalidInput, "the setting \(name) is \(what), not \(text)")
        }
        return value
    }

    private func value<Value>(
        _ name: Name, as types: [ConfigType], _ read: (ConfigContent) -> Value?
    ) throws(TesseraError) -> Value? {
        let key = AbsoluteConfigKey(name.components)
        for provider in providers {
            var isThere = false
            for type in types {
                do {
                    guard let found = try provider.value(forKey: key, type: type).value else { continue }
                    if let value = read(found.content) { return value }
                } catch {
                    isThere = true
                }
            }
            guard !isThere else {
                throw TesseraError(
                    .invalidInput,
                    "the setting \(name) has the wrong type in \(provider.providerName)")
            }
        }
        return nil
    }
}
