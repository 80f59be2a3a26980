"""What auditors, supervisors and customers see of an audit: pages, a PDF and a workbook from one view of the numbers."""

from reports.audit.view import AUDIENCES, AuditView
from reports.audit.write import write_audit_report

__all__ = ["AUDIENCES", "AuditView", "write_audit_report"]
