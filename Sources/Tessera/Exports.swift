// SPDX-License-Identifier: Apache-2.0

// One import is enough for an app: the vocabulary, selectors, retrievers and the engine's options come along.
@_exported public import TesseraKV
@_exported public import TesseraRetrieval
@_exported public import TesseraReuse
@_exported public import TesseraRuntime
