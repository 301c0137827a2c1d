import Foundation
import Inference
import Node
import Primitives
import Synchronization
import Testing
import UpstreamHarness

/// The tokens of an answer tell another engine from another model, whatever is reported with them.
@Suite(.serialized, .timeLimit(.minutes(3))) struct TokenChoiceTests {
    private static let prompts = [
        "Once upon a time, in a village by the sea,", "The three most important inventions are",
    ]

    private func test(_ answers: [(prompt: [Int32], output: [Int32])]) throws -> TokenChoiceTest {
        let generator = try Generator(model: NodeFixture.model.get(), threads: 2)
        var test = TokenChoiceTest()
        for answer in answers {
            test.add(
                greedy: try generator.score(
                    prompt: answer.prompt, continuation: answer.output, top: 1))
        }
        return test
    }

    private func answers(of file: ModelFile) throws -> [(prompt: [Int32], output: [Int32])] {
        let generator = try Generator(model: file, threads: 2)
        return try Self.prompts.map { text in
            let prompt = try file.tokenizer.encode(text)
            return (prompt, try generator.generate(prompt: prompt, maxTokens: 128).tokens)
        }
    }

    @Test func ourOwnAnswersAreOurOwnChoice() throws {
        let test = try test(answers(of: NodeFixture.model.get()))
        #expect(test.tokens > 128 && test.mismatches == 0)
        #expect(test.finding == .consistent)
    }

    @Test func anHonestEngineOfAnotherArithmeticIsNotAccused() async throws {
        let process = try await LlamaServerProcess.start(model: NodeFixture.modelPath())
        let tokenizer = try NodeFixture.tokenizer()
        let upstream = try await UpstreamServer.find(at: process.url, tokenizer: tokenizer)
        var answers: [(prompt: [Int32], output: [Int32])] = []
        for text in Self.prompts {
            let prompt = try tokenizer.encode(text)
            let output = Mutex<[Int32]>([])
            try await upstream.complete(
                UpstreamRequest(
                    job: JobID(1), attempt: 1, prompt: prompt, maxTokens: 128, sampling: .greedy)
            ) { new in output.withLock { $0 += new } }
            answers.append((prompt, output.withLock { $0 }))
        }
        let test = try test(answers)
        #expect(test.tokens > 128)
        #expect(test.finding != .inconsistent, "\(test.mismatches) of \(test.tokens)")
    }

    /// Weights with two of four bits: what a log probability fingerprint would not see if the
    /// true model's were reported.
    @Test func anotherModelsTokensAreInconsistent() throws {
        let test = try test(answers(of: NodeFixture.tampered(layers: 0..<30, mask: 0xcc)))
        #expect(test.finding == .inconsistent, "\(test.mismatches) of \(test.tokens)")
    }

    @Test func fewTokensDecideNothing() throws {
        let prompt = try NodeFixture.tokenizer().encode(Self.prompts[0])
        let test = try test([(prompt, [5, 6])])
        #expect(test.tokens == 2 && test.mismatches == 2)
        #expect(test.finding == .undecided)
    }
}
