import Cryptography
import Foundation
import Inference
import Node
import Planning
import Primitives
import Testing
import Transport

/// Machines that say what they can do, and take over the layers that a head asks for.
@Suite(.serialized, .timeLimit(.minutes(10))) struct ClusterSurveyTests {
    private struct Machines {
        let stages: [ClusterStage]
        let route: [RingOpen.Hop]
        let head: Ed25519.PrivateKey

        /// Two machines that serve any layers; `strangers` do not list each other.
        init(strangers: Bool = false) async throws {
            head = try NodeFixture.key(120)
            let keys = [try NodeFixture.key(121), try NodeFixture.key(122)]
            var peers = Set([head.publicKey])
            if !strangers { peers.formUnion(keys.map(\.publicKey)) }
            var stages: [ClusterStage] = []
            for key in keys {
                stages.append(
                    try await ClusterStage.start(
                        model: NodeFixture.model.get(), root: RingFixture.root.get(), threads: 1,
                        identity: key, peers: peers))
            }
            self.stages = stages
            route = zip(stages, keys).map { stage, key in
                .init(key: key.publicKey, address: "127.0.0.1:\(stage.port)")
            }
        }

        func survey(threads: Int? = nil) async throws -> ClusterSurvey {
            try await ClusterSurvey.take(
                model: NodeFixture.model.get(), root: RingFixture.root.get(), route: route,
                identity: head, threads: threads)
        }

        func stop() { for stage in stages { stage.stop() } }
    }

    private func part(_ machine: Int?, _ first: UInt16, _ end: UInt16) throws -> SplitPlan.Part {
        SplitPlan.Part(machine: machine, layers: try #require(LayerRange(first, end)))
    }

    @Test func machinesAreMeasuredAndAnswerAsOne() async throws {
        let machines = try await Machines()
        defer { machines.stop() }
        let survey = try await machines.survey(threads: 1)
        defer { survey.close() }
        #expect(survey.machines.count == 2)
        for machine in survey.machines + [try #require(survey.head)] {
            #expect(machine.layerTime > 0 && machine.promptTime > 0)
            #expect(machine.freeBytes > 0)
        }
        for (one, other) in [(Int?.none, Int?.some(0)), (nil, 1), (0, 1), (1, 0)] {
            let way = try #require(survey.edges.oneWay(one, other))
            #expect(way > 0)
        }
        let model = try NodeFixture.model.get()
        let request = SplitRequest(model, promptTokens: 20, maxTokens: 12)
        #expect(request.layers == 30 && request.layerBytes > 1 << 20)
        let plan = try survey.plan(request, needsOther: true).get()
        #expect(plan.parts.last?.layers.end == 30)
        // Whatever pays on one machine: here the layers go to both, and then the other way round.
        for order in [[0, 1], [1, 0]] {
            let split = SplitPlan(
                parts: [try part(order[0], 0, 11), try part(order[1], 11, 30)], firstToken: 0,
                perToken: 0)
            let hops = try await survey.prepare(split)
            #expect(hops == order.map { machines.route[$0] })
            let head = try await ClusterHead.connect(
                model: model, root: RingFixture.root.get(), route: hops, identity: machines.head)
            defer { head.close() }
            let prompt = try RingFixture.text("The capital of France is")
            let answer = try await head.generate(
                prompt: prompt, parameters: SamplingParameters(temperature: 0.8), maxTokens: 12
            ) { _ in true }
            let wanted = try RingFixture.generator.get().generate(
                prompt: prompt, parameters: SamplingParameters(temperature: 0.8), maxTokens: 12)
            #expect(answer.tokens == wanted.tokens)
            // The stages hear a little later that it is over; until then they keep their layers.
            while machines.stages.contains(where: { $0.requests > 0 }) {
                try await Task.sleep(for: .milliseconds(10))
            }
        }
    }

    @Test func whoIsNotListedIsOutOfReach() async throws {
        let machines = try await Machines(strangers: true)
        defer { machines.stop() }
        let survey = try await machines.survey()
        defer { survey.close() }
        #expect(survey.edges.oneWay(0, 1) == nil && survey.edges.oneWay(nil, 1) != nil)
        // Either machine alone is no trouble.
        let request = SplitRequest(
            try NodeFixture.model.get(), promptTokens: 20, maxTokens: 12)
        #expect(try survey.plan(request, needsOther: true).get().parts.count == 1)
    }

    /// The fault that a body ends with, if it does.
    private static func fault(_ body: () async throws -> Void) async -> RingFault.Code? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? RingFault)?.code
        }
    }

    @Test func whatCannotBeIsRefused() async throws {
        let machines = try await Machines()
        defer { machines.stop() }
        let model = try NodeFixture.model.get()
        let root = try RingFixture.root.get()
        // Another model, a machine that is named twice, none at all, and one that is not there.
        let other = await Self.fault {
            _ = try await ClusterSurvey.take(
                model: model, root: .zero, route: machines.route, identity: machines.head,
                threads: nil)
        }
        #expect(other == .wrongModel)
        for route in [[machines.route[0], machines.route[0]], []] {
            let code = await Self.fault {
                _ = try await ClusterSurvey.take(
                    model: model, root: root, route: route, identity: machines.head, threads: nil)
            }
            #expect(code == .badHop)
        }
        let stranger = try NodeFixture.key(99)
        let unknown = await Self.fault {
            _ = try await ClusterSurvey.take(
                model: model, root: root, route: machines.route, identity: stranger, threads: nil)
        }
        #expect(unknown == .linkLost)
        // Layers that the model does not have, and a request before any are prepared.
        let survey = try await machines.survey()
        defer { survey.close() }
        let early = await Self.fault {
            let head = try await ClusterHead.connect(
                model: model, root: root, route: machines.route, identity: machines.head)
            defer { head.close() }
            do {
                _ = try await head.generate(
                    prompt: [1, 2], parameters: SamplingParameters(), maxTokens: 1
                ) { _ in true }
            } catch {
                throw (error as? ClusterFailure)?.fault ?? error
            }
        }
        #expect(early == .wrongLayers)
        let outside = try part(0, 0, 31)
        let missing = await Self.fault {
            _ = try await survey.prepare(
                SplitPlan(parts: [outside], firstToken: 0, perToken: 0))
        }
        #expect(missing == .engineFailed)
    }

    @Test func aMachineThatWasStartedForItsLayersKeepsThem() async throws {
        let machines = try await Machines()
        defer { machines.stop() }
        let model = try NodeFixture.model.get()
        let root = try RingFixture.root.get()
        let key = try NodeFixture.key(123)
        let fixed = try await ClusterStage.start(
            stage: RingFixture.lower.get(), model: root, identity: key,
            peers: [machines.head.publicKey])
        defer { fixed.stop() }
        let alone = try await ClusterSurvey.take(
            model: model, root: root,
            route: [.init(key: key.publicKey, address: "127.0.0.1:\(fixed.port)")],
            identity: machines.head, threads: nil)
        defer { alone.close() }
        let upper = SplitPlan(parts: [try part(0, 14, 30)], firstToken: 0, perToken: 0)
        let kept = await Self.fault { _ = try await alone.prepare(upper) }
        #expect(kept == .wrongLayers)
        let same = SplitPlan(parts: [try part(0, 0, 14)], firstToken: 0, perToken: 0)
        #expect(await Self.fault { _ = try await alone.prepare(same) } == nil)
    }
}
