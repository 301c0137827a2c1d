import Foundation
import Inference
import Node
import Primitives
import Synchronization
import Testing
import UpstreamHarness

/// The tokens of an answer tell another engine from another model, whatever is reported with them.
@Suite(.serialized, .timeLimit(.minutes(10))) struct TokenChoiceTests {
    /// Many beginnings and few tokens of each: a model that repeats itself chooses what any other
    /// would.
    private static let prompts: [String] = {
        let words = """
            The ship left the harbour before the sun came up over the hills. Nobody on the \
            quay had seen who was aboard, and the old man who kept the lights said only that \
            the wind would turn by noon. In the market they talked of bread, of the price of \
            salt, and of a school that was to open when the winter had passed. A doctor from \
            the city had bought the house by the river, where the mill used to stand, and \
            every evening a lamp burned in its upper window until long after the last train \
            had gone through the valley.
            """.split(separator: " ")
        return stride(from: 0, to: words.count - 12, by: 2).map {
            words[$0..<$0 + 12].joined(separator: " ")
        }
    }()
    private static let outputTokens = 8

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
            let answer = try generator.generate(prompt: prompt, maxTokens: Self.outputTokens)
            return (prompt, answer.tokens)
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
                    job: JobID(1), attempt: 1, prompt: prompt, maxTokens: Self.outputTokens,
                    sampling: .greedy)
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
