import ArgumentParser
import Cryptography
import Inference
import Node
import Planning
import Primitives

/// Surveys a cluster's machines and lets them take over the layers of the quickest split.
struct ClusterSplit {
    /// How a model is split.
    enum Mode: String, ExpressibleByArgument {
        /// By what was measured.
        case auto
    }

    let cluster: ClusterArguments
    let file: ModelFile
    let root: Digest

    /// Measures all machines; the head too unless `withoutHead`.
    func survey(
        _ route: [RingOpen.Hop], _ identity: Ed25519.PrivateKey, withoutHead: Bool = false
    ) async throws -> ClusterSurvey {
        Console.progress("measuring the machines")
        defer { Console.progress("") }
        let threads = withoutHead ? nil : cluster.threads ?? Stage.defaultThreads
        do throws(RingFault) {
            return try await ClusterSurvey.take(
                model: file, root: root, route: route, identity: identity, threads: threads)
        } catch {
            throw ClusterArguments.end(error)
        }
    }

    /// The split of a request over these machines, prepared: who comes after the head, and the
    /// head's own layers, if it has any.
    func prepare(
        _ request: SplitRequest, _ route: [RingOpen.Hop], _ identity: Ed25519.PrivateKey
    ) async throws -> (hops: [RingOpen.Hop], layers: LayerRange?) {
        let survey = try await survey(route, identity)
        defer { survey.close() }
        let plan = try Self.plan(request, survey, needsOther: true)
        Console.progress("preparing the layers")
        defer { Console.progress("") }
        do throws(RingFault) {
            let hops = try await survey.prepare(plan)
            return (hops, plan.parts.first { $0.machine == nil }?.layers)
        } catch {
            throw ClusterArguments.end(error)
        }
    }

    /// The quickest split; says why if there is none.
    static func plan(
        _ request: SplitRequest, _ survey: ClusterSurvey, needsOther: Bool
    ) throws -> SplitPlan {
        switch survey.plan(request, needsOther: needsOther) {
        case .success(let plan): return plan
        case .failure(let refusal):
            Console.say("exchequer: plan_\(refusal.rawValue): \(refusal.sentence)")
            throw refusal == .unreachable ? Exit.network : Exit.configuration
        }
    }
}

extension PlanRefusal {
    /// What is wrong, as far as a split can be refused.
    fileprivate var sentence: String {
        switch self {
        case .noMemory: "the model does not fit the memory of these machines, a fifth left free"
        case .unreachable: "the machines do not reach each other: list each as --peer of the others"
        case .uncovered, .overLimit, .limitsConflict, .tooComplex: "\(self)"
        }
    }
}
