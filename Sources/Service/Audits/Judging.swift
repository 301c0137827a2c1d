import Dispatch
import Inference
import Primitives
import Verification

/// The house's own re-execution of evidence.
enum Judging {
    /// What came of it.
    enum Finding: Sendable {
        /// The same stage is at fault for the same reason.
        case confirmed
        /// It is not.
        case refuted
        /// Nothing was run again to the end.
        case cannotTell
    }

    private static let queue = DispatchQueue(label: "exchequer.arbiter", qos: .utility)

    /// Runs blocking work outside the threads that tasks share, one piece after the other.
    static func run<Result: Sendable>(_ work: @escaping @Sendable () -> Result) async -> Result {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: work()) }
        }
    }

    /// Whether this house finds the same stage at fault from the same evidence.
    static func finding(
        on verdict: Verdict, bundle: [UInt8], _ model: ServedModel
    ) -> Finding {
        do throws(EvidenceRejection) {
            let verified = try EvidenceBundle(untrusted: bundle).verified()
            guard verified.digest == verdict.evidence else { return .cannotTell }
            let engine = ModelReexecutor(file: model.file, manifest: model.manifest)
            let own = try Judge.judge(verified, with: engine).verdict
            return own.code == verdict.code && own.accusedStage == verdict.accusedStage
                ? .confirmed : .refuted
        } catch {
            return .cannotTell
        }
    }
}
