// SPDX-License-Identifier: Apache-2.0

internal import CText

/// Brings an HTML page to UTF-8.
enum HTMLCharset {
    /// The page in UTF-8, by the charset that it declares, UTF-8 where it declares none.
    ///
    /// - Throws: ``Refusal`` for a charset that is not known, and for bytes that are not UTF-8 where it should be.
    static func utf8(_ bytes: [UInt8]) throws(Refusal) -> [UInt8] {
        let start = TextDocument.start(of: bytes)
        let charset = start > 0 ? "utf-8" : declared(in: bytes) ?? "utf-8"
        if ["utf-8", "utf8", "utf-16", "utf-16le", "utf-16be"].contains(charset) {  // UTF-16 would have zero bytes.
            try TextDocument.checkUTF8(bytes)
            return start > 0 ? Array(bytes[start...]) : bytes
        }
        // Pages that declare Latin-1 or ASCII are read as its superset windows-1252, as browsers do (WHATWG Encoding).
        let name =
            ["iso-8859-1", "iso8859-1", "latin1", "us-ascii", "ascii"].contains(charset) ? "windows-1252" : charset
        guard let converted = convert(bytes, from: name) else {
            throw Refusal("its charset \"\(charset)\" is not known; save it as UTF-8")
        }
        return converted
    }

    /// The charset that a `meta` element or the XML declaration in the first 1,024 bytes names, in lower case.
    private static func declared(in bytes: [UInt8]) -> String? {
        let head = String(decoding: bytes.prefix(1024), as: UTF8.self).lowercased()
        let meta = /<meta[^>]*?charset\s*=\s*["']?\s*([a-z0-9_:.\-]+)/
        let xml = /^\s*<\?xml[^>]*?encoding\s*=\s*["']([a-z0-9_:.\-]+)/
        let match = head.firstMatch(of: meta)?.1 ?? head.firstMatch(of: xml)?.1
        return match.map(String.init)
    }

    private static func convert(_ bytes: [UInt8], from charset: String) -> [UInt8]? {
        bytes.withUnsafeBytes { raw in
            let source = raw.assumingMemoryBound(to: CChar.self).baseAddress
            let count = Int32(clamping: bytes.count)
            let needed = icu_to_utf8(charset, nil, 0, source, count)
            guard needed >= 0 else { return nil }
            return [UInt8](unsafeUninitializedCapacity: Int(needed)) { target, filled in
                target.withMemoryRebound(to: CChar.self) {
                    _ = icu_to_utf8(charset, $0.baseAddress, needed, source, count)
                }
                filled = Int(needed)
            }
        }
    }
}
