// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Logging
internal import TesseraKV

/// The layouts of prompts with and without a system text; many templates treat the two differently.
struct PromptLayouts: Sendable {
    private var withSystem: PromptLayout
    private var withoutSystem: PromptLayout

    /// Takes an override where there is one, else the model's own template where it can be honoured, else segments
    /// exactly as given; the last is said where a template had to be passed over.
    init(
        template: String?, model: ModelDescription, tokenizer: any Tokenizer, log: Logger
    ) throws(TesseraError) {
        if let template {
            let layout = try PromptLayout(userTemplate: template)
            (withSystem, withoutSystem) = (layout, layout)
            if !layout.hasSystem {
                log.notice("the prompt template has no place for {system}: system texts are left out")
            }
            return
        }
        (withSystem, withoutSystem) = (.plain, .plain)
        guard let own = model.chatTemplate else { return }
        do throws(TesseraError) {
            let beginning = Self.name(of: tokenizer.beginning, tokenizer)
            let ending = Self.name(of: tokenizer.endings.min(), tokenizer)
            withSystem = try ChatTemplate.layout(of: own, hasSystem: true, beginning: beginning, ending: ending)
            withoutSystem = try ChatTemplate.layout(of: own, hasSystem: false, beginning: beginning, ending: ending)
        } catch {
            (withSystem, withoutSystem) = (.plain, .plain)
            log.notice("\(error.message); until then segments are spliced as they are")
        }
    }

    /// The layout of a prompt.
    func layout(of prompt: Prompt) -> PromptLayout {
        prompt.system == nil ? withoutSystem : withSystem
    }

    private static func name(of token: TokenID?, _ tokenizer: any Tokenizer) -> String? {
        token.map { String(decoding: tokenizer.bytes(of: $0, special: true), as: UTF8.self) }
    }
}
