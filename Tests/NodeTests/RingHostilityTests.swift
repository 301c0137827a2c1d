import Cryptography
import Inference
import Node
import Primitives
import Testing
import Transport

/// What a listed peer sends that it should not: a number back, its own request over, and nothing
/// else touched.
@Suite(.serialized, .timeLimit(.minutes(10))) struct RingHostilityTests {
    private static let job = JobID(77)
    private static let number = JobID(5)

    /// An order for the last layers, as it should be.
    private func order(_ ring: Ring) throws -> RingOpen {
        RingOpen(
            model: try RingFixture.root.get(), head: ring.identity.publicKey, answers: Self.number,
            layer: 14, promptTokens: 4, capacity: 16,
            sampling: SamplingParameters.greedy.canonicalBytes(),
            hops: [])
    }

    private func window(
        _ epoch: UInt32, _ start: UInt32, rows: Int, settled: UInt32 = 0, width: Int = 576
    ) -> RingWindow {
        RingWindow(
            epoch: epoch, settled: settled, start: start,
            tokens: (0..<rows).map { Int32($0 + 1) },
            rows: [Float](repeating: 0.5, count: rows * width))
    }

    private func fault(_ link: SecureLink) async throws -> RingFault.Code? {
        while let bytes = try await link.receive() {
            let frame = try WireFrame(bytes)
            if let fault = frame.fault { return RingFault.Code(rawValue: fault.code) }
        }
        return nil
    }

    private func expect(
        _ code: RingFault.Code, limits: RingLimits = RingLimits(), opened: Bool = true,
        _ frames: (Ring) throws -> [[UInt8]]
    ) async throws {
        let ring = try await Ring(
            RingFixture.lower.get(), [RingFixture.upper.get()], limits: limits)
        let link = try await ring.stranger(to: 0)
        try await link.send(
            try WireFrame(kind: .ping, stage: 0, job: Self.number, attempt: 0).encoded())
        if opened { try await link.send(try order(ring).frame(stage: 0, job: Self.job).encoded()) }
        for frame in try frames(ring) { try await link.send(frame) }
        #expect(try await fault(link) == code)
        link.close()
        for _ in 0..<500 where ring.stages[0].requests > 0 {
            try await Task.sleep(for: .milliseconds(10))
        }
        // The stage lives, and takes the next request.
        let prompt = try RingFixture.text("The sea is")
        #expect(try await ring.head.generate(prompt: prompt, maxTokens: 3).tokens.count == 3)
    }

    @Test func ordersThatCannotBe() async throws {
        let cases: [(RingFault.Code, (inout RingOpen) throws -> Void)] = [
            (.wrongModel, { $0.model = .zero }),
            (.wrongLayers, { $0.layer = 13 }),
            (.badOpen, { $0.promptTokens = 0 }),
            (.badOpen, { $0.promptTokens = 17 }),
            (.badOpen, { $0.sampling = [1, 2, 3] }),
            (.badOpen, { $0.sampling = NodeFixture.penalised.canonicalBytes() + [0] }),
            (.badOpen, { $0.sampling += [UInt8](repeating: 0, count: 4_096) }),
            (.contextTooLong, { $0.capacity = 1 << 20 }),
            (.badHop, { $0.head = try NodeFixture.key(9).publicKey }),
            (
                .wrongLayers,
                { $0.hops = [.init(key: try NodeFixture.key(9).publicKey, address: "x:1")] }
            ),
        ]
        for (code, change) in cases {
            try await expect(code, opened: false) { ring in
                var wrong = try order(ring)
                try change(&wrong)
                return [try wrong.frame(stage: 0, job: Self.job).encoded()]
            }
        }
        try await expect(.badOpen, opened: false) { _ in
            [
                try WireFrame(
                    kind: .open, stage: 0, job: Self.job, attempt: 1, payload: [1, 2, 3]
                ).encoded()
            ]
        }
        try await expect(.alreadyOpen) { ring in
            [try order(ring).frame(stage: 0, job: Self.job).encoded()]
        }
    }

    @Test func unlistedHopsAreNotDialled() async throws {
        let ring = try await Ring(nil, [RingFixture.lower.get(), RingFixture.upper.get()])
        let link = try await ring.stranger(to: 0)
        var wrong = try order(ring)
        wrong.layer = 0
        for (key, address) in [(9, "127.0.0.1:1"), (102, "nowhere"), (102, "127.0.0.1:70000")] {
            // An address is only looked at where there is no link to the peer yet.
            let hop = RingOpen.Hop(
                key: try NodeFixture.key(UInt8(key)).publicKey, address: address)
            wrong.hops = [hop]
            try await link.send(
                try wrong.frame(stage: 0, job: JobID(UInt64(address.count))).encoded())
            #expect(try await fault(link) == .badHop)
        }
    }

    @Test func windowsThatCannotBe() async throws {
        func bytes(_ windows: RingWindow...) throws -> [[UInt8]] {
            try windows.map { try $0.frame(stage: 0, job: Self.job).encoded() }
        }
        try await expect(.outOfOrder) { _ in try bytes(window(0, 1, rows: 1)) }
        try await expect(.outOfOrder) { _ in
            try bytes(window(0, 0, rows: 4), window(1, 6, rows: 1))
        }
        try await expect(.outOfOrder) { _ in try bytes(window(0, 0, rows: 2, settled: 1)) }
        try await expect(.settledTakenBack) { _ in
            try bytes(
                window(0, 0, rows: 2), window(0, 2, rows: 1, settled: 2), window(1, 1, rows: 1))
        }
        try await expect(.tooManyPositions) { _ in try bytes(window(0, 0, rows: 17)) }
        try await expect(.tooManyPositions) { _ in try bytes(window(.max, 0, rows: 1)) }
        try await expect(.wrongWidth) { _ in try bytes(window(0, 0, rows: 2, width: 575)) }
        try await expect(.wrongWidth) { _ in try bytes(window(0, 0, rows: 2, width: 0)) }
        var limits = RingLimits()
        limits.rows = 3
        try await expect(.tooManyRows, limits: limits) { _ in try bytes(window(0, 0, rows: 4)) }
        limits = RingLimits()
        limits.waitingBytesPerRequest = 8_000
        try await expect(.tooMuchWaiting, limits: limits) { _ in try bytes(window(0, 0, rows: 4)) }
        try await expect(.notFinite) { _ in
            var broken = window(0, 0, rows: 1)
            broken.rows[7] = .nan
            return try bytes(broken)
        }
        try await expect(.unknownRequest, opened: false) { _ in try bytes(window(0, 0, rows: 1)) }
    }

    @Test func framesThatCannotBe() async throws {
        try await expect(.unreadableFrame) { _ in
            var broken = try window(0, 0, rows: 1).frame(stage: 0, job: Self.job).encoded()
            broken[1] = 99
            return [broken]
        }
        try await expect(.unreadableFrame) { _ in [[1, 2, 3]] }
        try await expect(.wrongKind) { _ in
            [
                try RingVerdict(epoch: 0, position: 0, slowest: 0, tokens: [1])
                    .frame(stage: 0, job: Self.job).encoded()
            ]
        }
        try await expect(.wrongKind) { _ in
            [try WireFrame.tokens([1], stage: 0, job: Self.job, attempt: 1, position: 0).encoded()]
        }
    }

    @Test func limitsOfRequestsAndPositions() async throws {
        var limits = RingLimits()
        limits.requests = 1
        try await expect(.busy, limits: limits) { ring in
            [try order(ring).frame(stage: 0, job: JobID(78)).encoded()]
        }
        limits = RingLimits()
        limits.allPositions = 40
        try await expect(.busy, limits: limits) { ring in
            try [78, 79].map { try order(ring).frame(stage: 0, job: JobID($0)).encoded() }
        }
        limits.positions = 15
        try await expect(.contextTooLong, limits: limits, opened: false) { ring in
            [try order(ring).frame(stage: 0, job: JobID(78)).encoded()]
        }
    }

    @Test func strangersAreTurnedAway() async throws {
        let ring = try await Ring(nil, [RingFixture.whole.get()])
        let link = try await ring.stranger(to: 0, as: NodeFixture.key(200))
        #expect(try await link.receive() == nil)
        await #expect(throws: RingFault.self) {
            _ = try await ClusterHead.connect(
                model: NodeFixture.model.get(), root: RingFixture.root.get(), route: ring.route,
                identity: NodeFixture.key(200))
        }
        // Nobody takes part in another's request: the frame is refused, the request goes on.
        let prompt = try RingFixture.text("The sea is")
        #expect(try await ring.head.generate(prompt: prompt, maxTokens: 3).tokens.count == 3)
    }

    @Test func everyCodeHasItsNumber() {
        let codes = RingFault.Code.allCases
        #expect(codes.allSatisfy { (600...699).contains($0.rawValue) })
        #expect(RingFault(.busy, "full").description == "ring_607: full")
    }
}
