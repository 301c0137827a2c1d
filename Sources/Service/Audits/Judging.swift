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

    /// Where it is done.
    static let queue = BackgroundQueue("exchequer.arbiter")

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
