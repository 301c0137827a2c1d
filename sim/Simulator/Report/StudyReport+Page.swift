import Foundation

extension StudyReport {
    /// One self-contained page of HTML: it loads nothing, and its plots carry their numbers.
    ///
    /// - Parameters:
    ///   - folder: the study's folder as the commands on the page name it.
    ///   - path: what leads from the page to the folder's files: empty if it lies among them, else
    ///     with a slash at the end.
    public func page(folder: String, path: String = "") -> String {
        let manifest = data.manifest
        let title = manifest.title.isEmpty ? manifest.model : manifest.title
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(escape(title))</title>
            <style>
            \(PlotStyle.sheet)
            \(StudyReport.sheet)
            </style>
            </head>
            <body>
            <main>
            \(head(title))
            \(findingsSection)
            \(verdictsSection)
            \(plotsSection(folder: folder, path: path))
            \(numbersSection)
            \(manifestSection(folder: folder, path: path))
            </main>
            </body>
            </html>

            """
    }

    private func escape(_ text: String) -> String { SVGCanvas.escape(text) }

    private func head(_ title: String) -> String {
        let manifest = data.manifest
        let facts = [
            ("model", manifest.model), ("study", manifest.study.kind.rawValue.inWords),
            ("runs", "\(data.final.rows.count)"), ("steps", "\(manifest.steps)"),
            ("replicates", "\(manifest.replicates)"), ("seed", "\(manifest.seed)"),
        ]
        let cells = facts.map { "<div><dt>\($0.0)</dt><dd>\(escape($0.1))</dd></div>" }
        func paragraph(_ label: String, _ text: String) -> String {
            guard !text.isEmpty else { return "" }
            return "<p class=\"\(label)\"><b>\(label == "question" ? "Question" : "Expected")</b> "
                + "\(escape(text))</p>\n"
        }
        return """
            <header>
            <h1>\(escape(title))</h1>
            \(paragraph("question", manifest.question))\
            \(paragraph("expect", manifest.expect))\
            <dl class="facts">\(cells.joined())</dl>
            </header>
            """
    }

    private var findingsSection: String {
        let items = findings.map { "<li>\(escape($0))</li>" }
        return """
            <section id="findings">
            <h2>What came out</h2>
            <ul>\(items.joined(separator: "\n"))</ul>
            <p class="note">The metric in question is <b>\(escape(data.main.name.inWords))</b>: \
            \(escape(data.main.about))</p>
            </section>
            """
    }

    private var verdictsSection: String {
        let verdicts = data.verdicts
        if verdicts.isEmpty { return "" }
        let rows = verdicts.map { verdict in
            let mark =
                verdict.held == verdict.runs ? "holds" : verdict.held == 0 ? "fails" : "mixed"
            let sign = ["holds": "✓", "fails": "✗", "mixed": "±"][mark] ?? ""
            return """
                <tr><td class="\(mark)">\(sign) \(mark)</td>\
                <td>\(escape(verdict.metric.name.inWords))</td>\
                <td>\(escape(verdict.bound)) \(escape(verdict.metric.unit))</td>\
                <td class="n">\(ReportNumber.short(verdict.band.middle)) \
                (\(ReportNumber.short(verdict.band.low)) to \
                \(ReportNumber.short(verdict.band.high)))</td>\
                <td class="n">\(verdict.held) of \(verdict.runs)</td>\
                <td>\(escape(verdict.says))</td></tr>
                """
        }
        return """
            <section id="verdicts">
            <h2>Verdicts</h2>
            <div class="wide"><table><thead><tr><th>verdict</th><th>metric</th><th>must be</th>\
            <th class="n">is (5 to 95 %)</th><th class="n">runs within</th><th>what it means</th></tr>\
            </thead><tbody>
            \(rows.joined(separator: "\n"))
            </tbody></table></div>
            </section>
            """
    }

    // MARK: Plots

    private func plotsSection(folder: String, path: String) -> String {
        let main = plots.filter { $0.name.hasSuffix("-\(data.main.name)") || $0.name == "lorenz" }
        let others = plots.filter { plot in !main.contains { $0.name == plot.name } }
        func figures(_ list: [ReportPlot]) -> String {
            list.map { figure($0, folder, path) }.joined(separator: "\n")
        }
        let more =
            others.isEmpty
            ? ""
            : """
            <details><summary>All other metrics (\(others.count) plots)</summary>
            <div class="plots">
            \(figures(others))
            </div></details>
            """
        return """
            <section id="plots">
            <h2>Plots</h2>
            <div class="plots">
            \(figures(main))
            </div>
            \(more)
            </section>
            """
    }

    private func figure(_ plot: ReportPlot, _ folder: String, _ path: String) -> String {
        let data = Data(plot.csv.utf8).base64EncodedString()
        let command = "exchequer simulate report \(folder) --plot \(plot.name)"
        let source =
            plot.source.hasSuffix(".csv")
            ? "<a href=\"\(escape(path + plot.source))\">\(escape(plot.source))</a>"
            : escape(plot.source)
        return """
            <figure id="\(escape(plot.name))">
            <h3>\(escape(plot.title.prefix(1).uppercased() + plot.title.dropFirst()))</h3>
            \(plot.element)
            <figcaption>\(escape(plot.caption))
            <span class="links"><a download="\(escape(plot.name)).csv" \
            href="data:text/csv;base64,\(data)">these numbers</a> · from \(source)</span>
            <code>\(escape(command))</code></figcaption>
            </figure>
            """
    }

    // MARK: Numbers and provenance

    private var numbersSection: String {
        let rows = data.metrics.map { metric in
            let values = data.values(metric).filter(\.isFinite)
            let band = ReportStatistics.band(values)
            let cells = [
                values.min() ?? .nan, band.low, band.middle, band.high, values.max() ?? .nan,
            ]
            .map { "<td class=\"n\">\(ReportNumber.short($0, digits: 4))</td>" }
            return """
                <tr><th scope="row">\(escape(metric.name.inWords))</th>\
                <td>\(escape(metric.unit))</td>\
                \(cells.joined())<td>\(escape(metric.about))</td></tr>
                """
        }
        return """
            <section id="numbers">
            <h2>All metrics at the last step</h2>
            <div class="wide"><table><thead><tr><th>metric</th><th>unit</th>\
            <th class="n">least</th><th class="n">5 %</th><th class="n">median</th>\
            <th class="n">95 %</th><th class="n">most</th><th>what it is</th></tr></thead><tbody>
            \(rows.joined(separator: "\n"))
            </tbody></table></div>
            </section>
            """
    }

    private var demandParagraph: String {
        guard let demand = data.manifest.demand else { return "" }
        return "<p>Demand: \(demand.kind.rawValue) \(escape(demand.name)), \(demand.requests) "
            + "requests a job, \(demand.stepSeconds) seconds a step.</p>"
    }

    private func manifestSection(folder: String, path: String) -> String {
        let manifest = data.manifest
        func table(_ values: [String: String], _ title: String) -> String {
            guard !values.isEmpty else { return "" }
            let rows = values.sorted { $0.key < $1.key }.map { key, value in
                let column = data.parameters[key]
                return "<tr><th scope=\"row\">\(escape(key.inWords))</th>"
                    + "<td class=\"n\">\(escape(value))</td>"
                    + "<td>\(escape(column?.unit ?? ""))</td><td>\(escape(column?.about ?? ""))</td></tr>"
            }
            return """
                <details><summary>\(title) (\(rows.count))</summary>
                <div class="wide"><table><tbody>
                \(rows.joined(separator: "\n"))
                </tbody></table></div></details>
                """
        }
        let axes = manifest.study.axes.map { axis in
            let range =
                axis.values.map { $0.joined(separator: ", ") }
                ?? "\(axis.low ?? "") to \(axis.high ?? "")"
            return "<tr><th scope=\"row\">\(escape(axis.name.inWords))</th>"
                + "<td>\(escape(range))</td><td>\(escape(data.parameters[axis.name]?.unit ?? ""))</td>"
                + "</tr>"
        }
        let files = ["manifest.json", "final.csv", "dictionary.csv"].map {
            "<a href=\"\(escape(path + $0))\">\($0)</a>"
        }
        let varied =
            axes.isEmpty
            ? ""
            : "<h3>Varied</h3><div class=\"wide\"><table><tbody>\(axes.joined())</tbody></table></div>"
        return """
            <section id="manifest">
            <h2>Where it is from</h2>
            <p>exchequer \(escape(manifest.version)), commit \
            <code>\(escape(manifest.commit))</code>; scenario \
            <code>\(escape(manifest.scenarioHash))</code>. The same scenario gives the same bits \
            on any machine. Files: \(files.joined(separator: ", ")). This page:</p>
            <code>exchequer simulate report \(escape(folder))</code>
            \(varied)
            \(demandParagraph)
            \(table(manifest.parameters, "Parameters"))
            \(table(manifest.rules.mapValues(\.words), "Rules"))
            <details><summary>manifest.json</summary>
            <pre>\(escape(data.manifestText))</pre></details>
            </section>
            """
    }

    private static let sheet = """
        *{box-sizing:border-box}
        body{margin:0;background:var(--ground);color:var(--ink);\
        font:16px/1.55 system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif}
        main{max-width:76rem;margin:0 auto;padding:2.5rem 1.5rem 4rem}
        h1{font-size:2rem;line-height:1.2;margin:0 0 1rem;letter-spacing:-.01em}
        h2{font-size:1.25rem;margin:2.75rem 0 .75rem}
        h3{font-size:1rem;margin:0 0 .5rem}
        p,ul{max-width:46rem}
        ul{padding-left:1.2rem}
        li{margin:.4rem 0}
        .question b,.expect b{display:block;font-size:.8rem;color:var(--soft);font-weight:600}
        .question{font-size:1.15rem}
        .note{color:var(--soft);font-size:.9rem}
        .facts{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin:1.5rem 0 0;padding:.9rem 0;\
        border-block:1px solid var(--rule)}
        .facts dt{font-size:.8rem;color:var(--soft)}
        .facts dd{margin:0;font-weight:600;font-variant-numeric:tabular-nums}
        .plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));\
        gap:1.25rem}
        figure{margin:0;max-width:46rem;padding:1rem;border:1px solid var(--rule);\
        border-radius:8px;min-width:0}
        svg.plot{display:block;width:100%;height:auto}
        figcaption{font-size:.85rem;color:var(--soft);margin-top:.5rem}
        figcaption .links{display:block;margin:.25rem 0}
        code,pre{font:.82rem/1.5 ui-monospace,"DejaVu Sans Mono",monospace}
        figcaption code,section>code{display:block;white-space:pre-wrap;overflow-wrap:anywhere;\
        padding:.3rem .5rem;background:color-mix(in srgb,var(--rule) 45%,transparent);\
        border-radius:4px;color:var(--ink)}
        p code{overflow-wrap:anywhere}
        pre{overflow:auto;max-height:32rem;padding:1rem;border:1px solid var(--rule);\
        border-radius:8px}
        a{color:var(--s0)}
        section>code+h3{margin-top:1.5rem}
        .wide{overflow-x:auto}
        table{border-collapse:collapse;font-size:.88rem}
        th,td{text-align:left;padding:.35rem .9rem .35rem 0;border-bottom:1px solid var(--rule);\
        vertical-align:top}
        th{font-weight:600}
        tbody td:last-child{min-width:14rem}
        thead th{color:var(--soft);white-space:nowrap}
        .n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
        td.holds,td.fails,td.mixed{font-weight:600;white-space:nowrap}
        td.holds{color:var(--s2)}td.fails{color:var(--s1)}td.mixed{color:var(--s4)}
        details{margin:1.25rem 0}
        details>.plots{margin-top:1rem}
        summary{cursor:pointer;font-weight:600}
        @media print{details{display:none}figure{break-inside:avoid}}
        """
}
