import ArgumentParser
import Foundation
import Simulator

/// `exchequer simulate report`: a study's results as a page to read and plots to print.
struct SimulateReport: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Make one page of a study's results: findings, verdicts, plots, numbers.",
        discussion: """
            Reads the folder that a study wrote (docs/reference/simulation-report.md) and writes \
            one page of HTML that needs nothing else. Its plots are SVG, in light and dark, and \
            carry their numbers as CSV. Prints the page's path.

            EXAMPLES
              exchequer simulate report out
              exchequer simulate report out --out page.html --svg figures
              exchequer simulate report out --plot time-price >price.svg
              exchequer simulate report out --line p-star.csv
            """)

    @Argument(help: "The study's folder.", completion: .directory) var folder: String
    @Option(help: "Where the page goes; report.html in the folder if nothing is said.")
    var out: String?
    @Option(help: "Print this plot alone, as SVG.") var plot: String?
    @Option(help: "Also write each plot as an SVG file into this folder.") var svg: String?
    @Option(
        help: "A CSV with a column for each axis of a heat map: a boundary to draw over it.",
        completion: .file(extensions: ["csv"]))
    var line: String?
    @Option(
        help: "A CSV with the columns group and value: to draw Lorenz curves of.",
        completion: .file(extensions: ["csv"]))
    var lorenz: String?

    /// Beyond it the steps of single runs are not drawn.
    private static let mostBytes = 512 << 20

    func run() throws {
        let base = URL(fileURLWithPath: folder)
        let report: StudyReport
        do throws(ReportError) {
            report = try StudyReport(files(base))
        } catch {
            Console.say(error.reason)
            throw Exit.configuration
        }
        if let plot { return try put(plot, of: report) }
        let page =
            out.map { URL(fileURLWithPath: $0) } ?? base.appendingPathComponent("report.html")
        let path = relative(from: page.deletingLastPathComponent(), to: base)
        do {
            try Data(report.page(folder: folder, path: path).utf8).write(to: page, options: .atomic)
            if let svg {
                let figures = URL(fileURLWithPath: svg)
                try FileManager.default.createDirectory(
                    at: figures, withIntermediateDirectories: true)
                for plot in report.plots {
                    let file = figures.appendingPathComponent(plot.name + ".svg")
                    try Data(plot.svg.utf8).write(to: file, options: .atomic)
                }
            }
        } catch {
            Console.say("the report cannot be written: \(error.localizedDescription)")
            throw Exit.configuration
        }
        for finding in report.findings { Console.say(finding) }
        Console.put(page.relativePath)
    }

    private func put(_ name: String, of report: StudyReport) throws {
        guard let plot = report.plots.first(where: { $0.name == name }) else {
            let names = report.plots.map(\.name).joined(separator: ", ")
            throw ValidationError("There is no plot \(name); there are \(names).")
        }
        FileHandle.standardOutput.write(Data(plot.svg.utf8))
    }

    private func files(_ base: URL) throws(ReportError) -> ReportFiles {
        func text(_ name: String) throws(ReportError) -> String {
            try read(base.appendingPathComponent(name))
        }
        func known(_ name: String) throws(ReportError) -> String? {
            let path = base.appendingPathComponent(name).path
            return FileManager.default.fileExists(atPath: path) ? try text(name) : nil
        }
        var files = ReportFiles(
            manifest: try text("manifest.json"), final: try text("final.csv"),
            dictionary: try text("dictionary.csv"))
        files.bands = try known("bands.csv")
        files.indices = try known("indices.csv")
        if files.bands == nil { files.results = try results(base) }
        if let line { files.line = try read(URL(fileURLWithPath: line)) }
        if let lorenz { files.distribution = try read(URL(fileURLWithPath: lorenz)) }
        return files
    }

    private func results(_ base: URL) throws(ReportError) -> String? {
        let file = base.appendingPathComponent("results.csv")
        let size = (try? file.resourceValues(forKeys: [.fileSizeKey]))?.fileSize
        guard let size else { return nil }
        if size > SimulateReport.mostBytes {
            Console.say("results.csv has \(size >> 20) MiB: its steps are not drawn")
            return nil
        }
        return try read(file)
    }

    private func read(_ file: URL) throws(ReportError) -> String {
        do {
            return try String(contentsOf: file, encoding: .utf8)
        } catch { throw ReportError("\(file.relativePath) cannot be read") }
    }

    /// What leads from one folder to another: empty if they are the same, else with a slash at the
    /// end.
    private func relative(from: URL, to: URL) -> String {
        let (here, there) = (
            from.standardizedFileURL.pathComponents, to.standardizedFileURL.pathComponents
        )
        let common = zip(here, there).prefix { $0 == $1 }.count
        let parts =
            Array(repeating: "..", count: here.count - common) + there.dropFirst(common)
        return parts.map { $0 + "/" }.joined()
    }
}
