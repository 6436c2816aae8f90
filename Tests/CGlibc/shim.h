// What the C library of this system has beyond POSIX, and Swift's module of it does not show.
#pragma once
#include <malloc.h>
#include <spawn.h>

int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);
int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *restrict actions, const char *restrict path);
int pipe2(int ends[2], int flags);
