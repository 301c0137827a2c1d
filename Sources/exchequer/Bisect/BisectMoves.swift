import ArgumentParser
import Cryptography
import Foundation
import Inference
import Primitives
import Verification

/// `exchequer bisect open`.
struct BisectOpenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "open",
        abstract: "Begin a game as the challenger, about the first stage that does not reproduce.",
        discussion: """
            EXAMPLES
              exchequer bisect open job-7.evidence --model M.gguf --identity me.identity \
            --game 7.game
            """)

    @OptionGroup var work: BisectArguments
    @Option(help: "The challenger's key file.", completion: .file()) var identity: String
    @OptionGroup var keys: KeyOptions
    @Option(help: "The game's file, which must not exist.", completion: .file()) var game: String
    @Option(help: "The stage to dispute; the first that is wrong if left out.") var stage: Int?

    func run() throws {
        if FileManager.default.fileExists(atPath: game) {
            throw ValidationError("\(game) exists already.")
        }
        let key = try GameFile.identity(identity, keys)
        let file = try ModelArgument.open(work.model)
        let evidence = try work.evidence()
        let manifest = try work.manifest(file, evidence)
        guard let found = try work.disputed(evidence, file, stage: stage) else {
            Console.put("all stages that signed reproduce: nothing to dispute")
            return
        }
        let record = BisectionRecord(
            receipt: found.receipt, sampling: evidence.bundle.sampling,
            manifest: manifest.canonicalBytes(), challenger: key.publicKey)
        let (opened, _) = try GameFile.replay(record)
        try GameFile.write(record, to: game)
        Console.put(
            "game \(opened.game.subject.id) about stage \(found.receipt.body.stage) of job "
                + "\(found.receipt.body.job): \(opened.game.turn.party.map { "\($0)" } ?? "no one") "
                + "is to move")
    }
}

/// `exchequer bisect move`.
struct BisectMoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "move",
        abstract: "Add this party's next move to a game.",
        discussion: """
            Which party the key is follows from the game. The accused computes with the weights it \
            served with, whatever they were.

            EXAMPLES
              exchequer bisect move 7.game job-7.evidence --model M.gguf --identity my.identity
            """)

    @Argument(help: "The game's file, which is written again.", completion: .file())
    var game: String
    @OptionGroup var work: BisectArguments
    @Option(help: "The party's key file.", completion: .file()) var identity: String
    @OptionGroup var keys: KeyOptions

    func run() throws {
        let key = try GameFile.identity(identity, keys)
        var record = try GameFile.read(game)
        var (bisection, referee) = try GameFile.replay(record)
        guard let party = bisection.game.turn.party else {
            Console.put("the game is over; exchequer bisect judge \(game)")
            return
        }
        guard bisection.key(of: party) == key.publicKey else {
            Console.say("exchequer: it is the turn of the \(party), \(bisection.key(of: party))")
            throw Exit.checkFailed
        }
        let file = try ModelArgument.open(work.model)
        let stage = Int(record.receipt.body.stage)
        guard let own = try work.evidence().disputable(stage), own.receipt == record.receipt else {
            Console.say("exchequer: the game is about another job than the evidence")
            throw Exit.checkFailed
        }
        let player = BisectionPlayer(try work.trace(own.task, file))
        guard let message = try player.answer(bisection.game) else { return }
        let before = bisection.game
        let signed = bisection.move(message).signed(by: key)
        try bisection.receive(signed, executing: referee)
        record.moves.append(signed)
        try GameFile.write(record, to: game)
        Console.put(BisectLine(before, message, bisection.game).description)
    }
}

/// `exchequer bisect judge`.
struct BisectJudgeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "judge",
        abstract: "Play a game again as the referee: no weights, no network, no trust.",
        discussion: """
            EXAMPLES
              exchequer bisect judge 7.game
              exchequer bisect judge 7.game --json
            """)

    @Argument(help: "The game's file.", completion: .file()) var game: String
    @Flag(help: "Print one JSON object.") var json = false

    func run() throws {
        let record = try GameFile.read(game)
        var start = record
        start.moves = []
        var (bisection, referee) = try GameFile.replay(start)
        var lines: [BisectLine] = []
        for move in record.moves {
            let before = bisection.game
            do {
                try bisection.receive(move, executing: referee)
            } catch {
                Console.say("exchequer: \(error)")
                throw Exit.checkFailed
            }
            lines.append(BisectLine(before, move.body.message, bisection.game))
        }
        try BisectReport(bisection.game, lines, record: record.digest).end(json: json)
    }
}

/// `exchequer bisect play`.
struct BisectPlayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "play",
        abstract: "Play both sides here, to see what a game would find.",
        discussion: """
            Needs the weights that the accused is said to have used. With both keys the moves are \
            signed and the game is kept.

            EXAMPLES
              exchequer bisect play job-7.evidence --model M.gguf --accused-model liar.gguf
              exchequer bisect play job-7.evidence --model M.gguf --accused-model liar.gguf \
            --identity me.identity --accused-identity liar.identity --game 7.game
            """)

    @OptionGroup var work: BisectArguments
    @Option(help: "What the accused computes with.", completion: .file(extensions: ["gguf"]))
    var accusedModel: String
    @Option(help: "The stage to dispute; the first that is wrong if left out.") var stage: Int?
    @Option(help: "The challenger's key file.", completion: .file()) var identity: String?
    @Option(help: "The accused's key file.", completion: .file()) var accusedIdentity: String?
    @OptionGroup var access: KeyOptions
    @Option(help: "Where to keep the game.", completion: .file()) var game: String?
    @Flag(help: "Print one JSON object.") var json = false

    func validate() throws {
        let given = [identity, accusedIdentity, game].filter { $0 != nil }.count
        guard given == 0 || given == 3 else {
            throw ValidationError("--identity, --accused-identity and --game go together.")
        }
    }

    func run() throws {
        let file = try ModelArgument.open(work.model)
        let evidence = try work.evidence()
        let manifest = try work.manifest(file, evidence)
        guard let found = try work.disputed(evidence, file, stage: stage) else {
            if json { try Console.put(json: BisectReport.nothing) }
            Console.say("all stages that signed reproduce: nothing to dispute")
            return
        }
        let keys = try Keys(challenger: identity, accused: accusedIdentity, access)
        var record = BisectionRecord(
            receipt: found.receipt, sampling: evidence.bundle.sampling,
            manifest: manifest.canonicalBytes(),
            challenger: keys?.challenger.publicKey ?? found.receipt.signer)
        var (bisection, referee) = try GameFile.replay(record)
        var rehearsal = bisection.game
        let players = [
            BisectionParty.challenger: BisectionPlayer(found.trace),
            .accused: BisectionPlayer(
                try work.trace(found.trace.task, try ModelArgument.open(accusedModel))),
        ]
        var lines: [BisectLine] = []
        while let party = rehearsal.turn.party,
            let message = try players[party]?.answer(rehearsal)
        {
            let before = rehearsal
            if let keys {
                let signed = bisection.move(message).signed(by: keys[party])
                try bisection.receive(signed, executing: referee)
                record.moves.append(signed)
                rehearsal = bisection.game
            } else {
                try rehearsal.play(message, from: party, executing: referee)
            }
            lines.append(BisectLine(before, message, rehearsal))
        }
        if let game { try GameFile.write(record, to: game) }
        try BisectReport(rehearsal, lines, record: keys == nil ? nil : record.digest)
            .end(json: json)
    }

    /// The keys of both parties.
    private struct Keys {
        let challenger, accused: Ed25519.PrivateKey

        init?(challenger: String?, accused: String?, _ access: KeyOptions) throws {
            guard let challenger, let accused else { return nil }
            self.challenger = try GameFile.identity(challenger, access)
            self.accused = try GameFile.identity(accused, access)
        }

        subscript(party: BisectionParty) -> Ed25519.PrivateKey {
            party == .accused ? accused : challenger
        }
    }
}
