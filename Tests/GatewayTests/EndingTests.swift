import Clearing
import Economics
import Foundation
import Primitives
import Service
import Testing
import Transport

/// How answers end early: the buyer hangs up, the time is over, the house stops.
@Suite(.serialized, .timeLimit(.minutes(10))) struct EndingTests {
    private static let long = """
        {"model":"smol","prompt":"Once upon a time","max_tokens":2000,"temperature":1,"seed":3
        """

    private func request(_ house: RunningHouse, _ key: String, _ more: String) -> HTTPRequest {
        var request = HTTPRequest(method: "POST", url: house.base + "/v1/completions")
        request.headers = [(name: "Authorization", value: "Bearer \(key)")]
        request.body = Array((Self.long + more + "}").utf8)
        request.timeout = .seconds(120)
        return request
    }

    /// Nobody waits for the answer any more: it ends, and only what was chosen is charged.
    @Test(arguments: [",\"stream\":true", ""])
    func aBuyerWhoHangsUpDoesNotPayForTheRest(_ more: String) async throws {
        try await RunningHouse.with { house in
            try await house.startNode(1, name: "oak")
            let key = try await house.buyer()
            let exchange = Task {
                let answer = try await HTTPClient.shared.open(request(house, key, more))
                while try await answer.next() != nil {}
            }
            try await eventually("tokens are chosen") {
                house.house.metrics.tokensDelivered > 20
            }
            exchange.cancel()
            _ = await exchange.result
            try await eventually("the job has ended") { try await house.job(1).state != .running }
            let job = try await house.job(1)
            #expect(job.state == .delivered)
            #expect(job.outputTokens > 20)
            #expect(job.outputTokens < 1_500)
        }
    }

    /// An answer that would run into the job's time limit ends before it, signed and paid for.
    @Test func aSlowAnswerIsCutAndPaid() async throws {
        var rules = RunningHouse.rules
        rules.jobTimeoutSeconds = 6
        try await RunningHouse.with(rules: rules) { house in
            try await house.startNode(1, name: "oak")
            let key = try await house.buyer()
            let answer: Completion = try await HTTPClient.shared.send(request(house, key, ""))
                .decoded()
            #expect(answer.choices.first?.finish_reason == "length")
            let job = try await house.job(1)
            #expect(job.state == .delivered)
            #expect(job.outputTokens < 2_000)
            #expect(job.cost > .zero)
        }
    }

    /// A house that is told to stop blames nobody for what it cuts off.
    @Test func stoppingBlamesNobody() async throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "exchequer-stop-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        var asking: Task<Int, any Error>?
        try await RunningHouse.with(folder: folder) { house in
            try await house.startNode(1, name: "oak")
            let key = try await house.buyer()
            let sent = request(house, key, "")
            asking = Task { try await HTTPClient.shared.send(sent).status }
            try await eventually("tokens are chosen") {
                house.house.metrics.tokensDelivered > 20
            }
            await house.stopHouse()
        }
        _ = await asking?.result
        try await RunningHouse.with(folder: folder) { house in
            let job = try await house.job(1)
            #expect(job.state == .failed || job.state == .delivered)
            if job.state == .failed { #expect(job.failure == .interrupted) }
            let faults = try await house.house.sequencer.read { $0.parties.map(\.livenessFaults) }
            #expect(faults.allSatisfy { $0 == 0 })
        }
    }

    /// A long prompt in front of a short one: the node is slow, not gone.
    @Test func aLongPromptGetsNobodyBlamed() async throws {
        try await RunningHouse.with(isImpatient: true) { house in
            try await house.startNode(1, name: "oak")
            let key = try await house.buyer()
            let words = String(repeating: "word ", count: 2_500)
            var long = HTTPRequest(method: "POST", url: house.base + "/v1/completions")
            long.headers = [(name: "Authorization", value: "Bearer \(key)")]
            long.body = Array(
                "{\"model\":\"smol\",\"prompt\":\"\(words)\",\"max_tokens\":2}".utf8)
            long.timeout = .seconds(120)
            let sent = long
            async let first = HTTPClient.shared.send(sent)
            try await eventually("the long one runs") {
                try await house.house.sequencer.read { !$0.jobs.isEmpty }
            }
            let second: Completion = try await house.call(
                "POST", "/v1/completions",
                json: "{\"model\":\"smol\",\"prompt\":\"One\",\"max_tokens\":2}", bearer: key
            ).decoded()
            #expect(second.exchequer?.attempt == 1)
            let answer: Completion = try await first.decoded()
            #expect(answer.exchequer?.attempt == 1)
            let faults = try await house.house.sequencer.read { $0.parties.map(\.livenessFaults) }
            #expect(faults.allSatisfy { $0 == 0 })
        }
    }
}
