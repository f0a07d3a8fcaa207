// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

/// A run of text cut from a document, with its token ids.
package struct Chunk: Sendable, Hashable {
    /// The text, trimmed and ended by exactly one blank line ("\n\n").
    package var text: String
    /// The ids of the text, the blank line included.
    package var tokens: [TokenID]
    /// The titles over the chunk, from the outermost inwards.
    package var titles: [String]
    /// The bytes that were cut, within the document's text.
    package var bytes: Range<Int>
}
