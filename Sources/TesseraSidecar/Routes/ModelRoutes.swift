// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Hummingbird
internal import Tessera
internal import TesseraAPI
internal import TesseraKV

extension SidecarState {
    /// The model, and its tokenizer.
    var modelRoutes: [Route] {
        [
            .get("/v1/models") { _, context in .json(ListOf([await self.modelInfo(try context.requireCaller())])) },
            .get("/v1/models/{model}") { _, context in
                let name = try context.parameter("model")
                try self.checkModel(name)
                return .json(await self.modelInfo(try context.requireCaller()))
            },
            .post("/tokenize") { request, context in
                let cache = try context.requireCaller().cache
                let wanted = try await self.body(TokenizeRequest.self, request, context)
                var tokens = try await cache.tokens(of: wanted.text, special: wanted.special ?? false)
                if wanted.addBeginning == true, let beginning = cache.tokenizer.beginning {
                    tokens.insert(beginning, at: 0)
                }
                return .json(TokenList(tokens: tokens))
            },
            .post("/detokenize") { request, context in
                let cache = try context.requireCaller().cache
                let tokens = try await self.body(TokenList.self, request, context).tokens
                try cache.checkVocabulary(tokens)
                return .json(DetokenizeResponse(text: cache.tokenizer.decode(tokens)))
            },
        ]
    }

    /// Refuses models that the server does not have.
    func checkModel(_ name: String?) throws(APIFailure) {
        guard let name, name != modelName else { return }
        throw APIFailure(
            .notFound, "this server has no model \(name); it has \(modelName)", code: "notFound", param: "model")
    }

    private func modelInfo(_ caller: Caller) async -> ModelInfo {
        let (cache, model) = (caller.cache, caller.cache.model)
        return ModelInfo(
            id: modelName, created: started,
            tessera: .init(
                architecture: model.architecture, contextLength: model.contextLength, vocabulary: model.vocabulary,
                layers: model.layout.layers, kvHeads: model.layout.heads, headDimension: model.layout.headDimension,
                precision: model.precision, fingerprint: cache.digest.description,
                tokenizer: cache.tokenizer.digest.description, recipe: cache.fingerprint.recipe,
                ropePairing: model.rotary.pairing.rawValue,
                gate: await cache.gateRecord()?.best(for: nil)?.assembly.label))
    }
}

extension SidecarContext {
    /// A parameter of the path.
    func parameter(_ name: String) throws(APIFailure) -> String {
        guard let text = parameters.get(name), let decoded = text.removingPercentEncoding else {
            throw APIFailure(.badRequest, "the path can't be read", code: "invalidInput", param: name)
        }
        return decoded
    }
}
