// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// Typed access to metadata. A value of another type than asked for is an error that names it; one that is missing is
/// an error where it is required and nil from the `…IfPresent` forms.
extension GGUFFile {
    /// The text called `key`.
    public func string(_ key: String) throws(TesseraError) -> String {
        try required(key, stringIfPresent(key))
    }

    /// The whole number called `key`, of any width.
    public func int(_ key: String) throws(TesseraError) -> Int {
        try required(key, intIfPresent(key))
    }

    /// The floating-point number called `key`, of either width.
    public func float(_ key: String) throws(TesseraError) -> Float {
        try required(key, floatIfPresent(key))
    }

    /// The truth value called `key`.
    public func bool(_ key: String) throws(TesseraError) -> Bool {
        try required(key, boolIfPresent(key))
    }

    /// The list of texts called `key`.
    public func strings(_ key: String) throws(TesseraError) -> [String] {
        try required(key, stringsIfPresent(key))
    }

    /// The list of whole numbers called `key`.
    public func ints(_ key: String) throws(TesseraError) -> [Int] {
        try required(key, intsIfPresent(key))
    }

    /// The list of floating-point numbers called `key`.
    public func floats(_ key: String) throws(TesseraError) -> [Float] {
        try required(key, floatsIfPresent(key))
    }

    /// The text called `key`; nil where there is none.
    public func stringIfPresent(_ key: String) throws(TesseraError) -> String? {
        try typed(key, "a text", \.text)
    }

    /// The whole number called `key`; nil where there is none.
    public func intIfPresent(_ key: String) throws(TesseraError) -> Int? {
        try typed(key, "a whole number", \.integer)
    }

    /// The floating-point number called `key`; nil where there is none.
    public func floatIfPresent(_ key: String) throws(TesseraError) -> Float? {
        try typed(key, "a floating-point number", \.number).map { Float($0) }
    }

    /// The truth value called `key`; nil where there is none.
    public func boolIfPresent(_ key: String) throws(TesseraError) -> Bool? {
        try typed(key, "a truth value", \.truth)
    }

    /// The list of texts called `key`; nil where there is none.
    public func stringsIfPresent(_ key: String) throws(TesseraError) -> [String]? {
        try list(key, "texts", \.text)
    }

    /// The list of whole numbers called `key`; nil where there is none.
    public func intsIfPresent(_ key: String) throws(TesseraError) -> [Int]? {
        try list(key, "whole numbers", \.integer)
    }

    /// The list of floating-point numbers called `key`; nil where there is none.
    public func floatsIfPresent(_ key: String) throws(TesseraError) -> [Float]? {
        try list(key, "floating-point numbers", \.number)?.map { Float($0) }
    }

    private func required<T>(_ key: String, _ value: T?) throws(TesseraError) -> T {
        guard let value else { throw TesseraError(.corrupt, "\(path) lacks the metadata value \(key)") }
        return value
    }

    private func typed<T>(
        _ key: String, _ expected: String, _ get: (GGUFValue) -> T?
    ) throws(TesseraError) -> T? {
        guard let value = metadata[key] else { return nil }
        guard let result = get(value) else {
            throw TesseraError(.corrupt, "\(path): the metadata value \(key) is \(value.kind), not \(expected)")
        }
        return result
    }

    private func list<T>(
        _ key: String, _ expected: String, _ get: (GGUFValue) -> T?
    ) throws(TesseraError) -> [T]? {
        guard let elements = try typed(key, "a list of \(expected)", \.elements) else { return nil }
        let results = elements.compactMap(get)
        guard results.count == elements.count else {
            throw TesseraError(.corrupt, "\(path): the elements of the metadata value \(key) are not all \(expected)")
        }
        return results
    }
}
