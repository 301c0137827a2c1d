import ArgumentParser
import Cryptography
import Foundation
import Inference
import Node
import Primitives
import Transport
import Verification

/// `exchequer bisect`: cuts a dispute about a stage down to one operation.
struct BisectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bisect",
        abstract: "Cut a dispute about a job down to one operation, and name who is at fault.",
        discussion: """
            Accused and challenger move in turn; each move is signed and goes into one file, the \
            game. Who holds the game judges it without the model's weights: only those that one \
            operation reads are in it, with their proof. `exchequer verify` tells beforehand \
            whether there is anything to dispute.

            Ends with 4 if the accused is at fault, 0 if not, 5 if the game or the evidence is not \
            sound, 3 if it is about another model.

            EXAMPLES
              exchequer bisect play job-7.evidence --model M.gguf --accused-model liar.gguf
              exchequer bisect open job-7.evidence --model M.gguf --identity me.identity \
            --game 7.game
              exchequer bisect move 7.game job-7.evidence --model M.gguf --identity my.identity
              exchequer bisect judge 7.game --json
            """,
        subcommands: [
            BisectPlayCommand.self, BisectOpenCommand.self, BisectMoveCommand.self,
            BisectJudgeCommand.self,
        ])
}

/// The evidence and the model that a party computes with.
struct BisectArguments: ParsableArguments {
    @Argument(help: "The evidence bundle.", completion: .file()) var bundle: String
    @Option(help: "The model's GGUF file.", completion: .file(extensions: ["gguf"]))
    var model: String
    @Option(help: "What the house calls the model, which is part of its root.")
    var modelName: String?
    @Option(help: "Threads that compute; one per processor if left out.") var threads: Int?

    /// The evidence, checked.
    func evidence() throws -> VerifiedEvidence {
        let bytes = try GameFile.bytes(bundle)
        do throws(EvidenceRejection) {
            return try EvidenceBundle(untrusted: bytes).verified()
        } catch {
            Console.say("exchequer: \(error)")
            throw Exit.checkFailed
        }
    }

    /// The manifest of the model that the evidence is about; ends the program if the file is
    /// another's.
    func manifest(_ file: ModelFile, _ evidence: VerifiedEvidence) throws -> ModelManifest {
        let manifest = file.manifest(at: model, name: modelName, root: evidence.bundle.model)
        guard manifest.root == evidence.bundle.model else {
            Console.say("exchequer: the evidence is about model \(evidence.bundle.model)")
            throw Exit.configuration
        }
        return manifest
    }

    /// The stage's work, computed with a model file.
    func trace(_ task: StageTask, _ file: ModelFile) throws -> StageTrace {
        Console.progress("running stage \(task.stage) again, layer by layer")
        defer { Console.progress("") }
        do {
            return try StageTrace(
                model: file, task: task, threads: threads ?? Stage.defaultThreads)
        } catch let error as ModelError {
            throw ModelArgument.end(error)
        }
    }

    /// The stage that a party says is wrong, or the first one that is, with the challenger's
    /// computation; `nil` if all stages that signed reproduce.
    func disputed(
        _ evidence: VerifiedEvidence, _ file: ModelFile, stage: Int?
    ) throws -> (receipt: Signed<Receipt>, trace: StageTrace)? {
        for index in stage.map({ [$0] }) ?? Array(evidence.receipts.indices) {
            guard let work = evidence.disputable(index) else {
                if stage == nil { continue }
                Console.say("exchequer: stage \(index) signed nothing that a game can be about")
                throw Exit.checkFailed
            }
            let trace = try trace(work.task, file)
            if stage != nil || trace.root(ofState: trace.states - 1) != work.receipt.body.outputRoot
            {
                return (work.receipt, trace)
            }
        }
        return nil
    }
}

/// A game in a file.
enum GameFile {
    static func bytes(_ path: String) throws -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            Console.say("exchequer: \(path) cannot be read")
            throw Exit.configuration
        }
        return Array(data)
    }

    static func read(_ path: String) throws -> BisectionRecord {
        let bytes = try bytes(path)
        do throws(BisectionRejection) {
            return try BisectionRecord(untrusted: bytes)
        } catch {
            Console.say("exchequer: \(error)")
            throw Exit.checkFailed
        }
    }

    static func write(_ record: BisectionRecord, to path: String) throws {
        try Data(record.canonicalBytes()).write(to: URL(filePath: path), options: .atomic)
    }

    static func identity(_ path: String, _ keys: KeyOptions) throws -> Ed25519.PrivateKey {
        guard FileManager.default.fileExists(atPath: path) else {
            Console.say("exchequer: \(path) does not exist")
            throw Exit.configuration
        }
        return try KeyOptions.orExit { () throws(SecretFileError) in
            try keys.access.identity(in: path)
        }
    }

    /// Plays a game again; what is not sound ends the program.
    static func replay(
        _ record: BisectionRecord
    ) throws -> (game: SignedBisection, referee: SingleOperations) {
        do {
            return try record.replayed()
        } catch let error as ModelError {
            throw ModelArgument.end(error)
        } catch {
            Console.say("exchequer: \(error)")
            throw Exit.checkFailed
        }
    }
}
