/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * address: whether an address can be written into MAIL or RCPT without becoming something else there.
 * Pure.  send comes in.  address never says whether anybody lives there.
 */
#ifndef QP_SMTP_ADDRESS_H
#define QP_SMTP_ADDRESS_H

enum { QP_SMTP_ADDRESS_MOST = 320 };

/* NULL when it can; else what it has or is, for a message: "has a line break; it must be ...". */
const char *qp_smtp_address_fault(const char *address);

#endif
