// SPDX-License-Identifier: Apache-2.0

/// An object of Tessera's own in a request: a field that it does not have is an error, for it is most likely an option whose
/// name is misspelt, and would go unnoticed. OpenAI's own objects are open, as their clients send more than is understood.
package protocol ClosedFields: Decodable {
    /// The names of all fields.
    static var fieldNames: Set<String> { get }
}

/// Decodes an object whose fields are closed.
package struct Closed<Value: ClosedFields>: Decodable {
    /// The object.
    package let value: Value

    /// Refuses fields that the object does not have.
    package init(from decoder: any Decoder) throws {
        try decoder.container(keyedBy: FieldName.self).refuseFields { Value.fieldNames.contains($0) }
        value = try Value(from: decoder)
    }
}

extension Closed: Sendable where Value: Sendable {}

/// The name of a field, whatever it is.
struct FieldName: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

extension KeyedDecodingContainer<FieldName> {
    /// Refuses all fields but some.
    func refuseFields(but isKnown: (String) -> Bool) throws {
        guard let stranger = allKeys.first(where: { !isKnown($0.stringValue) }) else { return }
        throw DecodingError.dataCorrupted(
            .init(codingPath: codingPath + [stranger], debugDescription: "there is no such field"))
    }
}

/// The compiler's own decoding of the types around closed ones comes by here: whatever form such a field has, lest one be
/// open without a word.
extension KeyedDecodingContainer {
    func decode<Value: ClosedFields>(_ type: Value.Type, forKey key: Key) throws -> Value {
        try decode(Closed<Value>.self, forKey: key).value
    }

    func decode<Value: ClosedFields>(_ type: [Value].Type, forKey key: Key) throws -> [Value] {
        try decode([Closed<Value>].self, forKey: key).map(\.value)
    }

    func decodeIfPresent<Value: ClosedFields>(_ type: Value.Type, forKey key: Key) throws -> Value? {
        try decodeIfPresent(Closed<Value>.self, forKey: key)?.value
    }

    func decodeIfPresent<Value: ClosedFields>(_ type: [Value].Type, forKey key: Key) throws -> [Value]? {
        try decodeIfPresent([Closed<Value>].self, forKey: key)?.map(\.value)
    }
}

extension CaseIterable where Self: RawRepresentable<String> {
    /// The names of all cases.
    static var names: Set<String> { Set(allCases.map(\.rawValue)) }
}
