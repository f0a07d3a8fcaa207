// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import TesseraKV
import TesseraRuntime

/// The bytes of a file; `-` stands for standard input.
func readData(at path: String) throws -> Data {
    if path == "-" { return FileHandle.standardInput.readDataToEndOfFile() }
    do {
        return try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
        throw TesseraError(.notFound, "can't read \(path): \(error.localizedDescription)")
    }
}

/// The text of a file in UTF-8; `-` stands for standard input.
func readText(at path: String) throws -> String {
    try UTF8Text.decode(Array(readData(at: path)), name: path)
}

/// A value read as JSON; the error names the file and the place.
func readJSON<T: Decodable>(_ type: T.Type, from data: Data, named name: String) throws -> T {
    do {
        return try JSONDecoder().decode(type, from: data)
    } catch let error as DecodingError {
        throw TesseraError(.invalidInput, "\(name) is not the JSON that is expected: \(describe(error))")
    }
}

/// Writes a file whole.
func writeFile(_ data: Data, to path: String) throws {
    do {
        try data.write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
        throw TesseraError(.io, "can't write \(path): \(error.localizedDescription)")
    }
}

/// Refuses paths that can't be written to, before hours of work are lost.
func validateOutputs(_ paths: [String?]) throws {
    for path in paths.compactMap({ $0 }) {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        guard FileManager.default.isWritableFile(atPath: folder) else {
            throw ValidationError("there is no folder \(folder) that can be written to")
        }
    }
}

private func describe(_ error: DecodingError) -> String {
    let context: DecodingError.Context
    switch error {
    case .typeMismatch(_, let found), .valueNotFound(_, let found), .keyNotFound(_, let found),
        .dataCorrupted(let found):
        context = found
    @unknown default: return "\(error)"
    }
    let path = context.codingPath.map(\.stringValue).joined(separator: ".")
    return path.isEmpty ? context.debugDescription : "at \(path): \(context.debugDescription)"
}
