import Foundation
import Testing

/// The style rules of docs/internals/style.md, as tests.
@Suite struct TidyTests {
    private let repository = Repository.shared

    @Test func importsOnlyGoDown() {
        let own = Set(Floors.mayImport.keys)
            .union([
                "CSodium", "CSecp256k1", "CCurl", "CCurlShim", "CPostgres", "CKernels", "CHost",
                "exchequer",
            ])
        for (target, allowed) in Floors.mayImport {
            for file in repository.swift(under: Floors.folder(of: target)) {
                for name in imports(file) where own.contains(name) && !allowed.contains(name) {
                    Issue.record("\(file.path) imports \(name), which is not below \(target)")
                }
            }
        }
        #expect(repository.swift(under: "Sources/Primitives").count > 5)
    }

    @Test func thePureFloorImportsNothingForeign() {
        for target in Floors.pure {
            let allowed = Floors.mayImport[target] ?? []
            for file in repository.swift(under: Floors.folder(of: target)) {
                for name in imports(file) where !allowed.contains(name) {
                    Issue.record("\(file.path) imports \(name): floor 1 decides, it does not act")
                }
            }
        }
    }

    @Test func thePureFloorHasNoClockRandomnessOrFloatingPointMoney() {
        let banned = [
            "Double", "Float(", ": Float", "Date(", "ContinuousClock", "SuspendingClock",
            ".random(", "SystemRandomNumberGenerator", ".shuffled(", "print(", "fopen(",
        ]
        for target in Floors.pure {
            for file in repository.swift(under: Floors.folder(of: target)) {
                for (number, line) in code(file) {
                    for word in banned where line.contains(word) {
                        if target == "Verification", word == ": Float" { continue }
                        Issue.record("\(file.path):\(number) uses \(word)")
                    }
                }
            }
        }
    }

    /// The order of a dictionary or set differs in every process, so none may be iterated where
    /// order could reach an outcome.
    @Test func thePureFloorNeverIteratesADictionaryOrSet() {
        for target in Floors.pure {
            for file in repository.swift(under: Floors.folder(of: target)) {
                let names = dictionaryNames(file)
                for (number, line) in code(file) {
                    for name in names where iterates(line, name) {
                        Issue.record("\(file.path):\(number) iterates the dictionary \(name)")
                    }
                }
            }
        }
    }

    @Test func filesAndLinesAreShort() {
        for file in repository.files where !file.path.hasSuffix(".md") {
            #expect(file.lines.count <= 801, "\(file.path) has \(file.lines.count) lines")
            guard file.path.hasSuffix(".swift") else { continue }
            for (number, line) in file.lines.enumerated() where line.count > 100 {
                // A vector or a URL cannot be broken.
                if line.contains("\"") { continue }
                Issue.record("\(file.path):\(number + 1) has \(line.count) columns")
            }
        }
    }

    @Test func functionsAreShort() {
        for file in repository.files where file.path.hasSuffix(".swift") {
            for (name, start, length) in functions(file) where length > 70 {
                Issue.record("\(file.path):\(start) \(name) has \(length) lines")
            }
        }
    }

    @Test func foldersAreShallow() {
        for file in repository.files where file.path.hasPrefix("Sources/") {
            #expect(file.path.split(separator: "/").count <= 4, "\(file.path) is too deep")
        }
    }

    @Test func nothingIsLeftUnfinished() {
        let words = ["TO" + "DO", "FIX" + "ME", "X" + "XX", "not " + "implemented"]
        for file in repository.files {
            for (number, line) in file.lines.enumerated() {
                for word in words where line.contains(word) {
                    Issue.record("\(file.path):\(number + 1) says \(word)")
                }
            }
        }
    }

    @Test func publicDeclarationsAreDocumented() {
        let witnesses = [
            "encode(into", "init(from ", "static func ==", "static func <", "hash(into",
            "var description", "static func + ", "static func - ", "static func +=",
            "static func -=", "makeAsyncIterator", "var testDescription", "static let domain",
            "mutating func next()", "func run() async", "static let configuration", "init() {}",
            "mutating func run()", "func run()", "init(from decoder", "encode(to ",
            "init?(rawValue",
            "init(rawValue", "typealias", "init?(argument", "static var configuration",
        ]
        for file in repository.files where file.path.hasSuffix(".swift") {
            guard file.path.hasPrefix("Sources/") || file.path.hasPrefix("sim/") else { continue }
            for (number, line) in file.lines.enumerated() {
                let text = line.trimmingCharacters(in: .whitespaces)
                guard text.hasPrefix("public "), !text.hasPrefix("public import"),
                    !witnesses.contains(where: text.contains)
                else { continue }
                if !isDocumented(file, before: number) {
                    Issue.record("\(file.path):\(number + 1) is public without documentation")
                }
            }
        }
    }

    /// An async function that is given a 128-bit number on the stack damages it (decision 7), so
    /// such numbers come first, in a record, or to a function that is inlined.
    @Test func noAsyncFunctionTakesWideIntegersLate() {
        let wide = ["UInt128", "Int128", "Amount", "AccountID", "TransferID"]
        var found = 0
        for file in repository.files where file.path.hasSuffix(".swift") {
            guard file.path.hasPrefix("Sources/") || file.path.hasPrefix("sim/") else { continue }
            for (line, name, types) in asyncFunctions(file) {
                found += 1
                let late = types.dropFirst(2).contains { type in wide.contains(type) }
                let count = types.count { wide.contains($0) }
                guard late || count > 2 else { continue }
                let isInlined = line > 0 && file.lines[line - 1].contains("@inline(__always)")
                if !isInlined { Issue.record("\(file.path):\(line + 1): \(name) takes \(types)") }
            }
        }
        #expect(found > 100)
    }

    @Test func testsUseOnlyPublicInterfaces() {
        for file in repository.swift(under: "Tests") {
            for (number, line) in file.lines.enumerated()
            where line.hasPrefix("@testable") || line.hasPrefix("import XCTest") {
                Issue.record("\(file.path):\(number + 1): \(line)")
            }
        }
    }
}

extension TidyTests {
    /// The line, name and parameter types of each async function, as far as a pattern can tell.
    private func asyncFunctions(_ file: Repository.File) -> [(Int, String, [String])] {
        let text = file.lines.joined(separator: "\n")
        let pattern = /func (\w+)(?:<[^>]*>)?\(([^{}]*?)\)\s*async/
        return text.matches(of: pattern).map { match in
            let line = text[..<match.range.lowerBound].count { $0 == "\n" }
            let types = match.2.split(separator: ",").compactMap { parameter -> String? in
                guard let colon = parameter.firstIndex(of: ":") else { return nil }
                let type = parameter[parameter.index(after: colon)...].split(separator: "=")[0]
                return type.trimmingCharacters(in: .whitespacesAndNewlines)
            }
            return (line, String(match.1), types)
        }
    }

    private func imports(_ file: Repository.File) -> [String] {
        file.lines.compactMap { line in
            let words = line.split(separator: " ").filter { $0 != "public" && !$0.hasPrefix("@") }
            guard words.count >= 2, words[0] == "import" else { return nil }
            return String(words[words.count == 3 ? 2 : 1].split(separator: ".")[0])
        }
    }

    /// Lines with their numbers, without comments.
    private func code(_ file: Repository.File) -> [(Int, String)] {
        file.lines.enumerated().compactMap { number, line in
            let text = line.components(separatedBy: "//")[0]
            return text.trimmingCharacters(in: .whitespaces).isEmpty ? nil : (number + 1, text)
        }
    }

    /// Names declared as `[Key: Value]`, `Dictionary` or `Set` in this file.
    private func dictionaryNames(_ file: Repository.File) -> [String] {
        code(file).compactMap { _, line in
            guard
                let range = line.range(
                    of: #"(var|let) (\w+): (\[[\w.]+: |Set<|Dictionary<)"#,
                    options: .regularExpression)
            else { return nil }
            return line[range].split(separator: " ")[1].replacingOccurrences(of: ":", with: "")
        }
    }

    private func iterates(_ line: String, _ name: String) -> Bool {
        [
            "in \(name) {", "in index.\(name) {", "\(name).map", "\(name).forEach",
            "\(name).filter", "\(name).reduce", "in \(name).keys", "in \(name).values",
        ].contains { line.contains($0) }
    }

    private func isDocumented(_ file: Repository.File, before number: Int) -> Bool {
        var above = number - 1
        while above >= 0 {
            let text = file.lines[above].trimmingCharacters(in: .whitespaces)
            if text.hasPrefix("///") { return true }
            if !text.hasPrefix("@") { return false }
            above -= 1
        }
        return false
    }

    /// Functions by indentation: from the line with `func` or `init` to the closing brace in the
    /// same column.
    private func functions(_ file: Repository.File) -> [(String, Int, Int)] {
        var found: [(String, Int, Int)] = []
        for (start, line) in file.lines.enumerated() {
            let text = line.trimmingCharacters(in: .whitespaces)
            guard line.contains(" func ") || text.hasPrefix("func ") || line.contains(" init("),
                !text.hasPrefix("//"), !text.hasPrefix("\"")
            else { continue }
            let indent = line.prefix { $0 == " " }
            // The first brace that closes it, or the type around it if it has no body.
            guard
                let end = file.lines[start...].prefix(400).firstIndex(where: { line in
                    line.hasSuffix("}") && line.dropLast().allSatisfy { $0 == " " }
                        && line.count <= indent.count + 1
                }), file.lines[end].count == indent.count + 1
            else { continue }
            found.append((String(text.prefix(40)), start + 1, end - start + 1))
        }
        return found
    }
}
