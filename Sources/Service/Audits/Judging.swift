import Dispatch
import Inference
import Primitives
import Verification

/// The house's own re-execution of evidence, for appeals.
enum Judging {
    private static let queue = DispatchQueue(label: "exchequer.arbiter", qos: .utility)

    /// Runs blocking work outside the threads that tasks share, one piece after the other.
    static func run<Result: Sendable>(_ work: @escaping @Sendable () -> Result) async -> Result {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: work()) }
        }
    }

    /// Whether this house finds the same stage at fault from the same evidence.
    static func confirms(_ verdict: Verdict, bundle: [UInt8], _ model: ServedModel) -> Bool {
        do throws(EvidenceRejection) {
            let verified = try EvidenceBundle(untrusted: bundle).verified()
            guard verified.digest == verdict.evidence else { return false }
            let engine = ModelReexecutor(file: model.file, manifest: model.manifest)
            let own = try Judge.judge(verified, with: engine).verdict
            return own.code == verdict.code && own.accusedStage == verdict.accusedStage
        } catch {
            return false
        }
    }
}
