import Cryptography
import Testing
import Transport

@Suite(.timeLimit(.minutes(10)))
struct WireTests {
    @Test func latencyAndBandwidthAreWhatTheyAre() {
        var model = WireModel()
        model.latency = .milliseconds(10)
        var plain = WireSchedule(model)
        #expect(plain.arrival(of: 5, at: .zero) == .milliseconds(10))
        #expect(plain.arrival(of: 1 << 30, at: .milliseconds(3)) == .milliseconds(13))
        model.bandwidth = 1_000
        var narrow = WireSchedule(model)
        // 500 bytes take half a second to leave, and what is sent meanwhile stands behind them.
        #expect(narrow.arrival(of: 500, at: .zero) == .milliseconds(510))
        #expect(narrow.arrival(of: 250, at: .milliseconds(100)) == .milliseconds(760))
        #expect(narrow.arrival(of: 1_000, at: .seconds(5)) == .milliseconds(6_010))
    }

    @Test func jitterHasItsMeanAndKeepsTheOrder() {
        var model = WireModel()
        model.jitter = .milliseconds(4)
        var schedule = WireSchedule(model)
        var last = Duration.zero
        var sum = Duration.zero
        // Far enough apart that none waits for the one before.
        for number in 0..<10_000 {
            let now = Duration.seconds(number)
            sum += schedule.arrival(of: 1, at: now) - now
        }
        #expect(abs(sum / .milliseconds(1) / 10_000 - 4) < 0.2)
        for number in 0..<1_000 {
            let arrival = schedule.arrival(of: 1, at: .seconds(10_000) + .microseconds(number))
            #expect(arrival >= last)
            last = arrival
        }
    }

    @Test func stallsHoldEverything() {
        var model = WireModel()
        model.stallInterval = .seconds(1)
        model.stall = .milliseconds(100)
        var schedule = WireSchedule(model)
        var late: Set<Duration> = []
        for number in 0..<10_000 {
            let now = Duration.milliseconds(number * 10)
            let arrival = schedule.arrival(of: 1, at: now)
            #expect(arrival - now <= model.stall)
            if arrival > now { late.insert(arrival) }
        }
        // A hundred seconds with a stall in 1.1: every stall ends at a time of its own.
        #expect((60...125).contains(late.count))
    }

    @Test func aSeedIsAWireAndItsDirectionsDiffer() {
        var model = WireModel()
        model.jitter = .milliseconds(1)
        model.stallInterval = .milliseconds(50)
        func times(_ seed: UInt64, _ direction: UInt64) -> [Duration] {
            var seeded = model
            seeded.seed = seed
            var schedule = WireSchedule(seeded, direction: direction)
            return (0..<100).map { schedule.arrival(of: 10, at: .milliseconds($0)) }
        }
        #expect(times(1, 0) == times(1, 0))
        #expect(times(1, 0) != times(1, 1))
        #expect(times(1, 0) != times(2, 0))
    }

    private func identity(_ fill: UInt8) throws -> Ed25519.PrivateKey {
        try #require(Ed25519.PrivateKey(seed: [UInt8](repeating: fill, count: 32)))
    }

    private func connect(_ port: Int) async throws -> SecureLink {
        try await SecureLink.connect(
            host: "127.0.0.1", port: port, identity: try identity(1),
            expecting: try identity(2).publicKey)
    }

    @Test func aLinkOverABadWireLosesNothing() async throws {
        let listener = try await SecureListener.bind(identity: try identity(2))
        var model = WireModel()
        model.latency = .milliseconds(2)
        model.jitter = .milliseconds(1)
        model.bandwidth = 20 << 20
        model.stallInterval = .milliseconds(100)
        model.stall = .milliseconds(20)
        let proxy = try await WireProxy.start(to: listener.port, model: model)
        let left = try await connect(proxy.port)
        let right = try #require(await listener.accept())
        let frames = (0..<200).map { number in
            [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: number * 97)
        }
        async let sent: Void = {
            for frame in frames { try await left.send(frame) }
            left.close()
        }()
        var received: [[UInt8]] = []
        for try await frame in right.frames {
            received.append(frame)
            try? await right.send(frame)
        }
        try await sent
        #expect(received == frames)
        #expect(proxy.bytes > UInt64(frames.reduce(0) { $0 + $1.count }))
        proxy.stop()
        listener.close()
    }

    @Test func aCutLinkIsSilentUntilItIsHealed() async throws {
        let listener = try await SecureListener.bind(identity: try identity(2))
        let proxy = try await WireProxy.start(to: listener.port, model: WireModel())
        let left = try await connect(proxy.port)
        let right = try #require(await listener.accept())
        try await left.send([1])
        #expect(try await right.receive() == [1])
        proxy.cut()
        let before = proxy.bytes
        try await left.send([2])
        await #expect(throws: SecureLinkError.self) { try await connect(proxy.port) }
        #expect(proxy.bytes == before)
        proxy.heal()
        await #expect(throws: SecureLinkError.self) {
            while try await right.receive() != nil {}
        }
        let again = try await connect(proxy.port)
        try await again.send([3])
        let other = try #require(await listener.accept())
        #expect(try await other.receive() == [3])
        proxy.stop()
        listener.close()
    }
}
