/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * deny: runs a program for which the kernel refuses membarrier(2), as in a container that knows too
 * few system calls: deny PROGRAM [argument ...].  Exits with 77, a test that was skipped, where it cannot refuse.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Processes of this program are of one architecture, so the number says which call it is. */
static int
refuse(long call)
{
	struct sock_filter filter[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		return -1;
	return syscall(call, 0, 0, 0) == -1 && errno == EPERM ? 0 : -1;
}

int
main(int argc, char **argv)
{
	if (argc < 2) {
		(void)fprintf(stderr, "usage: deny PROGRAM [argument ...]\n");
		return 2;
	}
	if (refuse(SYS_membarrier) != 0) {
		perror("deny: membarrier cannot be refused here");
		return 77;
	}
	(void)execv(argv[1], argv + 1);
	perror(argv[1]);
	return 2;
}
