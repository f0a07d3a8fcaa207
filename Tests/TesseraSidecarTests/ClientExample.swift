// SPDX-License-Identifier: Apache-2.0

import TesseraAPI
import TesseraClient

func ask(_ question: String, of reports: [String], at socket: String) async throws -> String {
    let client = TesseraClient(socket: socket)
    let request = ChatRequest(
        messages: [.init(role: "user", content: question)], documents: reports.map { .text($0) },
        tessera: ReuseOptions(assembly: "stitched", selector: "deviation", ungated: true),
        sampling: SamplingFields(maxTokens: 24, temperature: 0))
    var answer = ""
    for try await event in client.streamedChat(request) {
        answer += event.choices.first?.delta.content ?? ""
        if let reuse = event.tessera { print(reuse.reusedTokens, "of", reuse.promptTokens, "tokens reused") }
    }
    try await client.shutdown()
    return answer
}
