// Records what this process does to the files of one journal, so that a test can work out what a
// power cut at any moment would leave on disk. Linux with glibc only.
#ifndef DISK_RECORDER_H
#define DISK_RECORDER_H

/// Records every write, sync, change of size, creation, renaming and removal of files whose path
/// starts with `prefix`, every sync of their folder, and every write to standard output, in order,
/// into `log_path`. For all files of a folder `prefix` ends with a slash.
/// Returns 0, or -1 if the log cannot be made.
int disk_recorder_start(const char *prefix, const char *log_path);

#endif
